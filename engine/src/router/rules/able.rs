//! What a model can do of what a cut asks for.

use super::{Case, Finding};
use crate::hosted::{Audio, MultiShot, Task, best_aspect};
use crate::router::candidate::Candidate;
use crate::router::kind::CutKind;

/// Of a picture so much may be cut away without a word, as for a wide film from 16:9.
const KEPT: f64 = 0.7;
/// Of a picture so much has to be left.
const LEAST_KEPT: f64 = 0.5;
/// Beyond so many times the trained length a model that makes longer clips is the better one.
const DRIFT: f64 = 1.5;

/// Whether it makes clips from words.
pub(super) fn task(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    if case.need.task.frames() > 0 || case.need.references > 0 {
        return None;
    }
    Some(if candidate.tasks.contains(&Task::Text) {
        Finding::good("it makes clips from words")
    } else {
        Finding::forbids("it makes no clip from words alone", "give a first frame")
    })
}

/// Whether it keeps the frames that are given.
pub(super) fn frames(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let task = case.need.task;
    if task.frames() == 0 {
        return None;
    }
    Some(if candidate.tasks.contains(&task) {
        Finding::good(format!("it takes {task}"))
    } else {
        let change = match task {
            Task::FirstLastFrame => "leave out the last frame",
            _ => "leave out the first frame",
        };
        Finding::forbids(format!("it does not take {task}"), change)
    })
}

/// Whether it takes the reference pictures that are given.
pub(super) fn references(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let (given, task) = (case.need.references, case.need.task);
    if given == 0 {
        return None;
    }
    let room = candidate.room_for_references(task);
    let pictures = |number: u32| match number {
        1 => "1 reference picture".to_owned(),
        number => format!("{number} reference pictures"),
    };
    Some(if room >= given {
        Finding::good(format!("it takes {} of up to {room}", pictures(given)))
    } else if room == 0 && candidate.limits.max_references > 0 {
        let text = format!("it does not take reference pictures along with {task}");
        Finding::forbids(text, "leave out the frames, or the references")
    } else if room == 0 {
        Finding::forbids("it takes no reference pictures", "leave out the references")
    } else {
        let text = format!("it takes up to {}, not {given}", pictures(room));
        Finding::forbids(text, format!("leave out {}", given - room))
    })
}

/// Whether it makes the sound that is wanted.
pub(super) fn audio(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    if case.need.audio != Some(true) {
        return None;
    }
    Some(match candidate.audio {
        Audio::Never => Finding::forbids("it makes no sound", "write `audio = false`"),
        Audio::Optional | Audio::Always => Finding::good("it makes sound"),
    })
}

/// Whether it leaves away the sound that is not wanted.
pub(super) fn silence(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    if case.need.audio != Some(false) {
        return None;
    }
    Some(match candidate.audio {
        Audio::Always => {
            Finding::bad("it always makes sound, which is paid for and thrown away", 1)
        }
        Audio::Never | Audio::Optional => Finding::good("it makes silent clips"),
    })
}

/// Whether it makes several shots in one clip.
pub(super) fn shots(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    // A type that was only proposed rules nothing out.
    let kind = &case.need.kind;
    let is_wanted = case.need.multi_shot || kind.is_said && kind.kind == CutKind::MultiShot;
    if !is_wanted {
        return None;
    }
    Some(match candidate.multi_shot {
        MultiShot::No => {
            Finding::forbids("it makes one shot in a clip", "write each shot as a cut of its own")
        }
        MultiShot::Prompt => Finding::good("it makes several shots, as the prompt tells it"),
        MultiShot::Structured => Finding::good("it makes several shots, each with its length"),
    })
}

/// Whether it makes clips of that length.
pub(super) fn length(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let limits = &candidate.limits;
    let wanted = case.need.seconds(limits.fps)?;
    if let Some(lengths) = &limits.seconds {
        return Some(match lengths.holding(wanted) {
            Some(seconds) => Finding::good(format!("a clip of {seconds} s holds {wanted:.1} s")),
            None => Finding::forbids(
                format!("it makes {lengths} s, not {wanted:.1} s"),
                format!("ask for at most {} s", lengths.longest()),
            ),
        });
    }
    let trained = limits.trained_seconds?;
    Some(if wanted <= trained + 0.05 {
        Finding::good(format!("it was trained on {trained:.1} s, asked are {wanted:.1} s"))
    } else {
        let is_little = wanted <= trained * DRIFT;
        let text = format!("it was trained on {trained:.1} s: one of {wanted:.1} s may drift");
        Finding::bad(text, i64::from(!is_little))
    })
}

/// Whether its pictures are large enough.
pub(super) fn size(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    if let Some(why) = &candidate.limits.refuses {
        return Some(Finding::forbids(why.clone(), "ask for another size or length"));
    }
    let size = case.need.size?;
    let wanted = size.width.min(size.height);
    let Some(sides) = &candidate.limits.short_sides else {
        let of = candidate.limits.multiple_of.max(1);
        let fits = size.width.is_multiple_of(of) && size.height.is_multiple_of(of);
        return Some(if fits {
            Finding::good(format!("it makes {}x{}", size.width, size.height))
        } else {
            Finding::bad(format!("its sides are multiples of {of}: the picture is fitted"), 0)
        });
    };
    Some(match (sides.iter().find(|side| **side >= wanted), sides.last()) {
        (Some(side), _) => Finding::good(format!("it makes {side} lines, asked are {wanted}")),
        (None, Some(side)) => {
            Finding::bad(format!("it makes {side} lines, scaled up to {wanted}"), 1)
        }
        (None, None) => {
            let text = "it makes no clip in any size from this with this sound";
            Finding::forbids(text, "change `audio`, or leave out the last frame")
        }
    })
}

/// Whether its pictures have the shape.
pub(super) fn shape(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let (size, task) = (case.need.size?, case.need.task);
    let aspect = best_aspect(&candidate.limits.aspects, task, size)?;
    let kept = aspect.kept(size);
    let lost = || format!("cutting {aspect} to the shape leaves {:.0} %", kept * 100.0);
    Some(if kept >= 1.0 {
        Finding::good(format!("it makes the shape, as {aspect}"))
    } else if kept >= LEAST_KEPT {
        Finding::bad(lost(), i64::from(kept < KEPT))
    } else {
        Finding::forbids(lost(), "ask for another shape")
    })
}

/// Whether frames come at the speed of the film.
pub(super) fn fps(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let (wanted, makes) = (case.need.fps?, candidate.limits.fps?);
    // 23.976 is 24 here: such a take is only played a thousandth slower.
    Some(if (f64::from(makes) - wanted).abs() < 0.05 {
        Finding::good(format!("it makes {makes} frames a second"))
    } else {
        let text = format!("it makes {makes} frames a second, the film has {wanted}");
        Finding::bad(text, 1)
    })
}
