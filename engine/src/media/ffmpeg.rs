//! Clips through libav, in process. It is handed open files and never a name, so that it can reach nothing else; what
//! it reads is held to a short list of demuxers and decoders.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ffmpeg_next::codec::{self, decoder, encoder};
use ffmpeg_next::format::{self, Pixel, context::StreamIo};
use ffmpeg_next::{Dictionary, Packet, Rational, color, frame, media, util};

use super::clip::Clip;
use super::colour::rgb_to_yuv420;
use super::frames::OnFrame;
use super::output::{Failure, Output};
use super::read::{Probe, open};
use super::{DIGITAL_SOURCE_TYPE, Fps, Frames, MediaError, Result, manifest};

/// Encoders that a user may ask about; the first two are used here.
const ENCODERS: [&str; 10] = [
    "libx264",
    "ffv1",
    "libx264rgb",
    "libx265",
    "libsvtav1",
    "libaom-av1",
    "libvpx-vp9",
    "prores_ks",
    "h264_nvenc",
    "hevc_nvenc",
];
/// What is read: the demuxers of mp4, mov, mkv and webm.
const DEMUXERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm";
/// And the decoders.
const DECODERS: &str = "h264,ffv1";

/// Encoders by name, and whether libav on this machine has them. One that needs a device may still fail without it.
pub fn encoders() -> Vec<(&'static str, bool)> {
    ENCODERS.iter().map(|&name| (name, encoder::find_by_name(name).is_some())).collect()
}

/// The versions of libav's parts, as linked at run time.
pub fn libav_version() -> Option<String> {
    let parts = [
        ("libavcodec", codec::version()),
        ("libavformat", format::version()),
        ("libavutil", util::version()),
    ];
    let parts = parts.map(|(name, version)| {
        format!("{name} {}.{}.{}", version >> 16, version >> 8 & 0xff, version & 0xff)
    });
    Some(parts.join(", "))
}

/// The licence that libav on this machine is under, in its own words. It decides how a binary may be passed on.
pub fn libav_licence() -> Option<String> {
    Some(format::license().to_owned())
}

/// Refuses an output whose encoder libav does not have.
pub(super) fn check_encoder(output: Output, path: &Path) -> Result<()> {
    match output {
        Output::Mp4 => require("libx264", path),
        Output::Mkv => require("ffv1", path),
        Output::Png | Output::Folder => Ok(()),
    }
}

fn require(encoder: &'static str, path: &Path) -> Result<()> {
    if encoder::find_by_name(encoder).is_some() {
        return Ok(());
    }
    let available = encoders().into_iter().filter_map(|(name, there)| there.then_some(name));
    Err(MediaError::EncoderMissing {
        path: path.to_owned(),
        encoder,
        available: available.collect::<Vec<_>>().join(", "),
    })
}

/// Encodes a clip into `file`, which ends up whole but not yet synced.
pub(super) fn encode(
    output: Output,
    frames: &Frames,
    fps: Fps,
    manifest: &str,
    file: File,
    on_frame: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<(), Failure> {
    let sink = Sink { file, failure: Arc::default() };
    let failure = Arc::clone(&sink.failure);
    let done = mux(output, frames, fps, manifest, sink, on_frame);
    // The disk's own words say more than what libav makes of them, and it does not always pass them on.
    match failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) => Err(Failure::Io(error)),
        None => done,
    }
}

/// Reads what the file says of its first video stream.
pub(super) fn probe(path: &Path) -> Result<Probe> {
    let input = demux(path)?;
    let stream = input.streams().best(media::Type::Video).ok_or_else(|| no_video(path))?;
    let base = stream.time_base();
    let duration_secs = match stream.duration() {
        ticks if ticks > 0 => {
            ticks as f64 * f64::from(base.numerator()) / f64::from(base.denominator())
        }
        _ => input.duration().max(0) as f64 / 1e6,
    };
    let fps = rate(path, stream.avg_frame_rate())?;
    let (codec, decoder) = open_decoder(path, &stream)?;
    Ok(Probe {
        codec: codec.to_owned(),
        pixel: decoder.format().descriptor().map_or("none", |pixel| pixel.name()).to_owned(),
        width: decoder.width() as usize,
        height: decoder.height() as usize,
        fps,
        duration_secs,
        matrix: decoder.color_space().name().unwrap_or("unspecified").to_owned(),
        primaries: decoder.color_primaries().name().unwrap_or("unspecified").to_owned(),
        transfer: decoder
            .color_transfer_characteristic()
            .name()
            .unwrap_or("unspecified")
            .to_owned(),
        range: decoder.color_range().name().unwrap_or("unspecified").to_owned(),
    })
}

/// How many frames the first video stream says that it has; 0 where it does not say.
pub(super) fn claimed(path: &Path) -> Result<u64> {
    let input = demux(path)?;
    let stream = input.streams().best(media::Type::Video).ok_or_else(|| no_video(path))?;
    Ok(stream.frames().try_into().unwrap_or_default())
}

/// Hands on every frame of the first video stream, one at a time, until one is enough; there is at least one.
pub(super) fn decode(path: &Path, on_frame: &mut OnFrame<'_>) -> Result<Fps> {
    let mut input = demux(path)?;
    let stream = input.streams().best(media::Type::Video).ok_or_else(|| no_video(path))?;
    let index = stream.index();
    let fps = rate(path, stream.avg_frame_rate())?;
    let (_, decoder) = open_decoder(path, &stream)?;
    let mut clip = Clip::new(path, on_frame);
    each_frame(path, &mut input, index, decoder, &mut |picture| clip.hand_on(picture))?;
    if clip.is_empty() { Err(no_frame(path)) } else { Ok(fps) }
}

/// Decodes every frame of the first video stream, and forgets them; a stream of another codec is taken as it is.
pub(super) fn check(path: &Path) -> Result<()> {
    let mut input = demux(path)?;
    let stream = input.streams().best(media::Type::Video).ok_or_else(|| no_video(path))?;
    let index = stream.index();
    let decoder = match open_decoder(path, &stream) {
        Ok((_, decoder)) => decoder,
        Err(MediaError::Unsupported { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut count = 0_u64;
    each_frame(path, &mut input, index, decoder, &mut |_| {
        count += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    if count == 0 { Err(no_frame(path)) } else { Ok(()) }
}

/// Calls `each` with every frame of a stream, in the order in which they are shown, until one is enough.
fn each_frame(
    path: &Path,
    input: &mut format::context::Input,
    index: usize,
    mut decoder: decoder::Video,
    each: &mut dyn FnMut(&frame::Video) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let damaged = |error: ffmpeg_next::Error| MediaError::Damaged {
        path: path.to_owned(),
        source: error.into(),
    };
    let mut picture = frame::Video::empty();
    let mut is_over = false;
    while !is_over {
        let mut packet = Packet::empty();
        match packet.read(input) {
            Ok(()) if packet.stream() == index => decoder.send_packet(&packet).map_err(damaged)?,
            Ok(()) => continue,
            Err(ffmpeg_next::Error::Eof) => {
                // What the decoder holds back for the sake of order comes out only now.
                decoder.send_eof().map_err(damaged)?;
                is_over = true;
            }
            Err(error) => return Err(damaged(error)),
        }
        loop {
            match decoder.receive_frame(&mut picture) {
                Ok(()) if each(&picture)?.is_break() => return Ok(()),
                Ok(()) => {}
                Err(ffmpeg_next::Error::Eof) => break,
                Err(ffmpeg_next::Error::Other { errno }) if errno == libc::EAGAIN => break,
                Err(error) => return Err(damaged(error)),
            }
        }
    }
    Ok(())
}

/// The tags of the file, keys and values; a tag that is not UTF-8 is left out.
pub(super) fn metadata(path: &Path) -> Result<Vec<(String, String)>> {
    let input = demux(path)?;
    // The binding promises UTF-8 that nobody checked.
    let checked = |text: &str| std::str::from_utf8(text.as_bytes()).ok().map(str::to_owned);
    Ok(input
        .metadata()
        .iter()
        .filter_map(|(key, value)| checked(key).zip(checked(value)))
        .collect())
}

fn mux(
    output: Output,
    frames: &Frames,
    fps: Fps,
    manifest: &str,
    sink: Sink,
    on_frame: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<(), Failure> {
    init().map_err(encode_error("start libav"))?;
    let rate = Rational::new(fps.num() as i32, fps.den() as i32);
    let (container, name, pixel, codec_options): (_, _, _, &[_]) = match output {
        Output::Mp4 => (
            "mp4",
            "libx264",
            Pixel::YUV420P,
            &[("crf", "16"), ("preset", "medium"), ("profile", "high")],
        ),
        _ => (
            "matroska",
            "ffv1",
            Pixel::BGRZ,
            &[("level", "3"), ("slicecrc", "1"), ("g", "1"), ("coder", "1")],
        ),
    };
    let io = StreamIo::from_write_seek_with_capacity(sink, 1 << 18)
        .map_err(encode_error("open the file"))?;
    let mut file = format::output_to_stream(io, None, Some(container))
        .map_err(encode_error("open the container"))?;

    // The encoder.
    let missing = || encode_error("open the encoder")(ffmpeg_next::Error::EncoderNotFound);
    let codec = encoder::find_by_name(name).ok_or_else(missing)?;
    let mut settings = codec::Context::new_with_codec(codec)
        .encoder()
        .video()
        .map_err(encode_error("open the encoder"))?;
    let layout = |frame: &[u8]| picture(output, frame, frames.width(), frames.height());
    let sample = layout(frames.iter().next().expect("because a clip has at least one frame"));
    settings.set_width(sample.width());
    settings.set_height(sample.height());
    settings.set_format(pixel);
    settings.set_aspect_ratio(Rational::new(1, 1));
    settings.set_time_base(rate.invert());
    settings.set_frame_rate(Some(rate));
    settings.set_flags(codec::Flags::GLOBAL_HEADER);
    if output == Output::Mp4 {
        settings.set_colorspace(color::Space::BT709);
        settings.set_color_primaries(color::Primaries::BT709);
        settings.set_color_transfer_characteristic(color::TransferCharacteristic::BT709);
        settings.set_color_range(color::Range::MPEG);
    }
    let mut options: Dictionary<'_> = codec_options.iter().copied().collect();
    options.set("threads", "auto");
    if let Some(instructions) = x264_instructions().filter(|_| output == Output::Mp4) {
        options.set("x264-params", instructions);
    }
    let mut encoder =
        settings.open_as_with(codec, options).map_err(encode_error("open the encoder"))?;

    // The container. The index goes first, into room left for it: finding that room again would take a second pass.
    let mut stream = file.add_stream(codec).map_err(encode_error("add the stream"))?;
    stream.set_parameters(&encoder);
    stream.set_time_base(rate.invert());
    stream.set_avg_frame_rate(rate);
    let tags = [
        (manifest::KEY, manifest),
        // For programs that show comments.
        ("comment", manifest),
        ("digitalSourceType", DIGITAL_SOURCE_TYPE),
    ];
    file.set_metadata(tags.into_iter().collect());
    let mut options = Dictionary::new();
    if output == Output::Mp4 {
        let tag_bytes: usize = tags.iter().map(|(key, value)| key.len() + value.len()).sum();
        options.set("movflags", "use_metadata_tags");
        options.set(
            "moov_size",
            &(INDEX_BYTES + tag_bytes + frames.count() * INDEX_BYTES_PER_FRAME).to_string(),
        );
    }
    file.write_header_with(options).map_err(encode_error("write the header"))?;
    // The muxer chose its own base.
    let base = file.stream(0).expect("because one was added").time_base();

    let drain = |encoder: &mut encoder::Video,
                 file: &mut format::context::Output|
     -> Result<(), ffmpeg_next::Error> {
        let mut packet = Packet::empty();
        loop {
            match encoder.receive_packet(&mut packet) {
                Ok(()) => {
                    packet.set_stream(0);
                    // Else the muxer guesses how long the last frame lasts.
                    packet.set_duration(1);
                    packet.rescale_ts(rate.invert(), base);
                    packet.write_interleaved(file)?;
                }
                Err(ffmpeg_next::Error::Eof) => return Ok(()),
                Err(ffmpeg_next::Error::Other { errno }) if errno == libc::EAGAIN => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    };
    for (index, pixels) in frames.iter().enumerate() {
        let mut picture = layout(pixels);
        picture.set_pts(Some(index as i64));
        encoder.send_frame(&picture).map_err(encode_error("encode"))?;
        drain(&mut encoder, &mut file).map_err(encode_error("encode"))?;
        if on_frame(index + 1).is_break() {
            return Err(Failure::Cancelled);
        }
    }
    encoder.send_eof().map_err(encode_error("encode"))?;
    drain(&mut encoder, &mut file).map_err(encode_error("encode"))?;
    file.write_trailer().map_err(encode_error("write the index"))
}

/// Which instructions x264 may use, where it is not left to it.
///
/// What its AVX-512 code makes of the macroblock tree (seen with 0.164, pictures of 11 macroblocks across) depends on what
/// memory held before: the same clip, written twice by one process, becomes two different files. With AVX2 it is always one.
fn x264_instructions() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
    {
        return Some("asm=AVX2");
    }
    None
}

/// Room in an mp4 for its index, without tags and frames.
const INDEX_BYTES: usize = 8192;
/// Room for one frame in it: size, place, times and whether it stands alone take 4 to 8 bytes each.
const INDEX_BYTES_PER_FRAME: usize = 40;

/// One frame as its encoder takes it.
fn picture(output: Output, rgb: &[u8], width: usize, height: usize) -> frame::Video {
    if output == Output::Mkv {
        let mut picture = frame::Video::new(Pixel::BGRZ, width as u32, height as u32);
        let stride = picture.stride(0);
        for (row, out) in rgb.chunks_exact(width * 3).zip(picture.data_mut(0).chunks_mut(stride)) {
            for (pixel, out) in row.chunks_exact(3).zip(out.chunks_exact_mut(4)) {
                out.copy_from_slice(&[pixel[2], pixel[1], pixel[0], 0]);
            }
        }
        return picture;
    }
    let planes = rgb_to_yuv420(rgb, width, height);
    let height = planes.luma.data.len() / planes.luma.width;
    let mut picture = frame::Video::new(Pixel::YUV420P, planes.luma.width as u32, height as u32);
    for (index, plane) in [planes.luma, planes.blue, planes.red].into_iter().enumerate() {
        let stride = picture.stride(index);
        for (row, out) in
            plane.data.chunks_exact(plane.width).zip(picture.data_mut(index).chunks_mut(stride))
        {
            out[..plane.width].copy_from_slice(row);
        }
    }
    picture.set_color_space(color::Space::BT709);
    picture.set_color_primaries(color::Primaries::BT709);
    picture.set_color_transfer_characteristic(color::TransferCharacteristic::BT709);
    picture.set_color_range(color::Range::MPEG);
    picture
}

/// A file that remembers why it failed.
struct Sink {
    file: File,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Sink {
    fn remember<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let seen = error
                .raw_os_error()
                .map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
            if error.kind() != io::ErrorKind::Interrupted {
                self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
            seen
        })
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        self.remember(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Sink {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.file.seek(to);
        self.remember(at)
    }
}

/// A file to read, as libav takes it.
struct Source(File);

impl Read for Source {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

fn demux(path: &Path) -> Result<format::context::Input> {
    let failed = |error| decode_error(path, "open", error);
    init().map_err(failed)?;
    let io = StreamIo::from_read_seek(Source(open(path)?)).map_err(failed)?;
    let options = [
        ("protocol_whitelist", "file"),
        ("format_whitelist", DEMUXERS),
        ("codec_whitelist", DECODERS),
    ];
    format::input_from_stream(io, None, Some(options.into_iter().collect())).map_err(failed)
}

/// Opens the decoder of a stream, if it is one of [`DECODERS`].
fn open_decoder(
    path: &Path,
    stream: &ffmpeg_next::Stream<'_>,
) -> Result<(&'static str, decoder::Video)> {
    let failed = |error| decode_error(path, "open the decoder", error);
    let context = codec::Context::from_parameters(stream.parameters()).map_err(failed)?;
    let id = context.id();
    let found = decoder::find(id);
    let Some((name, codec)) = DECODERS
        .split(',')
        .find_map(|name| Some(name).zip(found.filter(|codec| codec.name() == name)))
    else {
        return Err(MediaError::Unsupported {
            path: path.to_owned(),
            found: format!("{id:?}").to_ascii_lowercase(),
            expected: "h264 or ffv1",
        });
    };
    let options = [("threads", "auto")].into_iter().collect();
    let opened = context.decoder().open_as_with(codec, options);
    Ok((name, opened.and_then(decoder::Opened::video).map_err(failed)?))
}

fn rate(path: &Path, rate: Rational) -> Result<Fps> {
    let fps = u32::try_from(rate.numerator()).ok().zip(u32::try_from(rate.denominator()).ok());
    fps.and_then(|(num, den)| Fps::new(num, den).ok()).ok_or_else(|| MediaError::Unsupported {
        path: path.to_owned(),
        found: format!("{rate} frames a second"),
        expected: "a frame rate",
    })
}

/// Starts libav once, silent: what it has to say comes back as errors.
fn init() -> Result<(), ffmpeg_next::Error> {
    static STARTED: OnceLock<Result<(), ffmpeg_next::Error>> = OnceLock::new();
    *STARTED.get_or_init(|| {
        ffmpeg_next::init()?;
        ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet);
        Ok(())
    })
}

fn no_video(path: &Path) -> MediaError {
    MediaError::Unsupported {
        path: path.to_owned(),
        found: "no video stream".into(),
        expected: "a clip",
    }
}

fn no_frame(path: &Path) -> MediaError {
    MediaError::Unsupported { path: path.to_owned(), found: "no frame".into(), expected: "a clip" }
}

fn decode_error(path: &Path, step: &'static str, error: ffmpeg_next::Error) -> MediaError {
    MediaError::Decode { path: path.to_owned(), step, source: error.into() }
}

fn encode_error(step: &'static str) -> impl Fn(ffmpeg_next::Error) -> Failure {
    move |error| Failure::Encoder(step, error.into())
}

#[cfg(test)]
mod tests {
    use super::super::frames::Frame;
    use super::*;
    use crate::{Hint, Kind};

    #[test]
    fn a_missing_encoder_is_named_with_those_there_are() {
        let error = require("libnone", Path::new("a.mp4")).expect_err("because there is no such");
        let text = error.to_string();
        assert!(text.starts_with("write a.mp4: libav has no encoder libnone; it has "), "{text}");
        assert!(text.contains("ffv1"), "{text}");
        assert_eq!(error.kind(), Kind::Resources);
    }

    /// The pixels of a frame lie where those of the one before lay: they are not there any more.
    #[test]
    fn one_frame_is_held_at_a_time() {
        let folder = tempfile::tempdir().expect("because there is a place for temporary files");
        let path = folder.path().join("clip.mkv");
        let pixels: Vec<u8> = (0..9_u8).flat_map(|frame| vec![frame; 32 * 32 * 3]).collect();
        let frames = Frames::new(32, 32, pixels).expect("because it is nine frames");
        let fps = Fps::new(16, 1).expect("because 16 is a rate");
        let goes_on = &mut |_| ControlFlow::Continue(());
        super::super::write(&frames, fps, "{}", &path, goes_on).expect("because it is a clip");
        let mut seen = Vec::new();
        let mut at = std::collections::BTreeSet::new();
        decode(&path, &mut |frame| {
            seen.push(frame.data[0]);
            at.insert(frame.data.as_ptr() as usize);
            ControlFlow::Continue(())
        })
        .expect("because it was written");
        assert_eq!((seen, at.len()), ((0..9).collect(), 1));
        let mut count = 0;
        let stops = &mut |_: Frame<'_>| {
            count += 1;
            ControlFlow::Break(())
        };
        decode(&path, stops).expect("because it was written");
        assert_eq!(count, 1, "one was enough");
    }

    #[test]
    fn the_parts_and_the_licence_have_names() {
        assert!(libav_version().is_some_and(|version| version.starts_with("libavcodec ")));
        assert!(libav_licence().is_some_and(|licence| licence.contains("GPL")));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_called_one() {
        let full = File::options().write(true).open("/dev/full").expect("because Linux has it");
        let frames =
            Frames::new(32, 32, vec![7; 32 * 32 * 3 * 4]).expect("because it is four frames");
        let fps = Fps::new(16, 1).expect("because 16 is a rate");
        for output in [Output::Mp4, Output::Mkv] {
            let file = full.try_clone().expect("because it is open");
            let failure =
                encode(output, &frames, fps, "{}", file, &mut |_| ControlFlow::Continue(()));
            match failure.expect_err("because nothing can be written") {
                Failure::Io(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{output:?}")
                }
                other => panic!("{output:?}: {other:?}"),
            }
        }
    }
}
