//! Held-out scenes, and the clips that the world itself draws of them.

use kinora_tests::world::{Character, Draw, Scene, render};

use super::asked::Asked;
use super::{Options, Source, Take};

/// Size and length of a rendered clip.
const SIZE_PX: [usize; 2] = [96, 64];
const FRAMES: usize = 17;

/// Draws scenes and words for them.
pub(super) fn scenes(options: &Options) -> impl Iterator<Item = (Scene, Asked)> + use<> {
    let mut draw = Draw::new(options.seed);
    (0..options.pairs).map(move |_| {
        let scene = Scene::sample(&mut draw);
        let asked = Asked::of(&scene, &mut draw);
        (scene, asked)
    })
}

/// Renders the scenes.
pub(super) fn source(options: &Options) -> Source {
    let mut scenes = scenes(options);
    let (from_image, [width, height]) = (options.from_image, SIZE_PX);
    let next = move || {
        let take = scenes.next().map(|(scene, asked)| Take {
            asked,
            frames: render(&scene, FRAMES, width, height),
            first: from_image.then(|| render(&scene, 1, width, height)),
        });
        Ok(take)
    };
    let characters = Character::ALL.to_vec();
    Source { what: "rendered scenes", count: options.pairs, characters, next: Box::new(next) }
}
