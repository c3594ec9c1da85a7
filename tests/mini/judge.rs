//! The judge on clips of which it is known what they show.

use kinora_engine::media::Frames;
use kinora_tests::judge::{Judge, Verdict, first_frame_psnr};
use kinora_tests::world::{Action, Draw, Scene, render};
use rayon::prelude::*;

const SIZE: (usize, usize) = (96, 64);
const FRAMES: usize = 17;

/// What is counted.
const COUNTED: [&str; 5] = ["background", "colour", "character", "direction", "action"];

fn scenes(count: usize, seed: u64) -> Vec<Scene> {
    let mut draw = Draw::new(seed);
    (0..count).map(|_| Scene::sample(&mut draw)).collect()
}

fn clip(scene: &Scene) -> Frames {
    render(scene, FRAMES, SIZE.0, SIZE.1)
}

fn judge_all(clips: Vec<Frames>) -> Vec<Verdict> {
    let judge = Judge::new(SIZE.0, SIZE.1);
    clips.par_iter().map(|clip| judge.look(clip)).collect()
}

/// Whether a verdict says what a scene is, in the order of [`COUNTED`].
fn right(scene: &Scene, verdict: &Verdict) -> [bool; 5] {
    [
        verdict.background.what == scene.background,
        verdict.colour.is_some_and(|seen| seen.what == scene.colour),
        verdict.character.is_some_and(|seen| seen.what == scene.character),
        verdict.direction.is_some_and(|seen| seen.what == scene.action.direction()),
        verdict.action.is_some_and(|seen| seen.what == scene.action),
    ]
}

/// The shares of pairs that agree, in percent.
fn shares<'a>(pairs: impl Iterator<Item = (&'a Scene, &'a Verdict)>) -> [f64; 5] {
    let rows: Vec<[bool; 5]> = pairs.map(|(scene, verdict)| right(scene, verdict)).collect();
    [0, 1, 2, 3, 4]
        .map(|i| 100.0 * rows.iter().filter(|row| row[i]).count() as f64 / rows.len() as f64)
}

fn at_least(found: [f64; 5], expected: [f64; 5]) {
    for ((name, found), expected) in COUNTED.into_iter().zip(found).zip(expected) {
        assert!(found >= expected, "{name}: {found:.1} % is right, {expected} % expected");
    }
}

#[test]
fn what_the_world_draws_is_seen_and_what_others_asked_for_is_not() {
    let scenes = scenes(360, 1);
    let verdicts = judge_all(scenes.par_iter().map(clip).collect());
    at_least(shares(scenes.iter().zip(&verdicts)), [99.0, 99.0, 99.0, 99.0, 98.0]);
    // Every verdict against the captions of other clips: as often right as the numbers of values say.
    let others = (1..60).flat_map(|by| {
        let shifted = scenes.iter().cycle().skip(by);
        shifted.zip(&verdicts).collect::<Vec<_>>()
    });
    let chances = [1.0 / 5.0, 1.0 / 7.0, 1.0 / 6.0, (1.0 + 1.0 + 4.0 + 9.0) / 49.0, 1.0 / 7.0];
    for ((name, found), chance) in COUNTED.into_iter().zip(shares(others)).zip(chances) {
        let expected = 100.0 * chance;
        assert!((found - expected).abs() < 3.0, "{name}: {found:.1} %, by chance {expected:.1} %");
    }
}

#[test]
fn a_soft_and_noisy_clip_is_seen_as_well() {
    let scenes = scenes(160, 2);
    let numbered: Vec<(u64, &Scene)> = (0..).zip(&scenes).collect();
    let clips = numbered.par_iter().map(|(number, scene)| {
        let sharp = clip(scene);
        let soft = degraded(&sharp, *number);
        let psnr = first_frame_psnr(&sharp, &soft);
        assert!((24.0..32.0).contains(&psnr), "{psnr:.1} dB is not what a decoder makes");
        soft
    });
    let verdicts = judge_all(clips.collect());
    at_least(shares(scenes.iter().zip(&verdicts)), [97.0; 5]);
}

#[test]
fn half_a_motion_is_one() {
    let mut scenes = scenes(40, 6);
    scenes.retain(|scene| scene.action != Action::Grow);
    for scene in &mut scenes {
        scene.amp *= 0.5;
    }
    let verdicts = judge_all(scenes.par_iter().map(clip).collect());
    at_least(shares(scenes.iter().zip(&verdicts)), [97.0; 5]);
}

#[test]
fn a_still_clip_is_still_and_an_empty_one_shows_nobody() {
    let mut scene = scenes(1, 3).remove(0);
    for (action, least, most) in [(Action::Still, 1.0, 1.0), (Action::Left, 0.0, 0.5)] {
        scene.action = action;
        let stillness = Judge::new(SIZE.0, SIZE.1).look(&clip(&scene)).stillness;
        assert!((least..=most).contains(&stillness), "{action:?}: {stillness}");
    }
    // Far below the picture.
    scene.dy = 5.0;
    let verdict = Judge::new(SIZE.0, SIZE.1).look(&clip(&scene));
    assert_eq!(verdict.background.what, scene.background);
    assert_eq!((verdict.colour, verdict.character, verdict.action), (None, None, None));
}

#[test]
fn clips_of_another_size_and_of_one_frame_are_judged_too() {
    let scenes = scenes(12, 4);
    let judge = Judge::new(128, 80);
    for scene in &scenes {
        let verdict = judge.look(&render(scene, 9, 128, 80));
        assert_eq!(right(scene, &verdict), [true; 5], "{scene:?}: {verdict:?}");
        let picture = judge.look(&render(scene, 1, 128, 80));
        assert_eq!(right(scene, &picture)[..3], [true; 3], "{scene:?}: {picture:?}");
    }
}

#[test]
fn equal_first_frames_are_at_the_top_of_the_scale() {
    let clip = clip(&scenes(1, 5)[0]);
    assert_eq!(first_frame_psnr(&clip, &clip), 100.0);
    let darker = clip.data().iter().map(|value| value.saturating_sub(10)).collect();
    let darker = Frames::new(SIZE.0, SIZE.1, darker).expect("its size is the clip's");
    let psnr = first_frame_psnr(&clip, &darker);
    assert!((28.0..29.5).contains(&psnr), "10 levels of 255 are 28.1 dB, not {psnr:.1}");
}

/// A clip as a soft decoder would give it back: every pixel the mean of it and its neighbours, the channels a little too
/// bright or dark, and 2 % of noise.
fn degraded(clip: &Frames, seed: u64) -> Frames {
    let mut draw = Draw::new(seed);
    // Sums of uniform numbers are normal enough.
    let noise: Vec<f32> = (0..4099)
        .map(|_| {
            (0..4).map(|_| draw.unit() as f32 - 0.5).sum::<f32>() * 3_f32.sqrt() * 0.02 * 255.0
        })
        .collect();
    let gains = [0; 3].map(|_| draw.uniform(0.96, 1.04) as f32);
    let (width, row) = (clip.width(), clip.width() * 3);
    let blurred = |line: &[f32], stride: usize, out: &mut Vec<f32>| {
        for at in 0..line.len() {
            let before = line[at.checked_sub(stride).unwrap_or(at)];
            let after = *line.get(at + stride).unwrap_or(&line[at]);
            out.push(0.25 * before + 0.5 * line[at] + 0.25 * after);
        }
    };
    let mut data = Vec::with_capacity(clip.data().len());
    for frame in clip.iter() {
        let sharp: Vec<f32> = frame.iter().map(|value| f32::from(*value)).collect();
        let (mut across, mut both) = (Vec::new(), Vec::new());
        for line in sharp.chunks_exact(row) {
            blurred(line, 3, &mut across);
        }
        blurred(&across, row, &mut both);
        let start = draw.below(noise.len());
        let noise = noise.iter().cycle().skip(start);
        let values = both.iter().zip(gains.iter().cycle()).zip(noise);
        data.extend(values.map(|((value, gain), noise)| (value * gain + noise + 0.5) as u8));
    }
    Frames::new(width, clip.height(), data).expect("its size is the clip's")
}
