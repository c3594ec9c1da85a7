//! A scene becomes frames.

use std::f32::consts::PI;

use kinora_engine::media::Frames;

use super::{Action, Backdrop, Character, Scene, layers, mix};

/// Where the character is in one frame, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// Centre.
    pub x: f32,
    /// Centre.
    pub y: f32,
    /// Radius.
    pub radius: f32,
    /// Angle, clockwise on the screen.
    pub rotation: f32,
    /// Height against what it is at rest.
    pub squash: f32,
    /// -1 to the left, 1 to the right, 0 to the viewer.
    pub face: f32,
}

/// The pose at a time from 0 to 1, in pictures of this width over height.
pub fn pose(scene: &Scene, t: f32, aspect: f32) -> Pose {
    let [size, dx, dy, amp] = [scene.size, scene.dx, scene.dy, scene.amp].map(|x| x as f32);
    let ground = 0.84 + dy;
    let (x, y) = (aspect / 2.0 + dx, ground - size);
    let mut pose = Pose { x, y, radius: size, rotation: 0.0, squash: 1.0, face: 0.0 };
    match scene.action {
        Action::Left | Action::Right => {
            let way = if scene.action == Action::Right { 1.0 } else { -1.0 };
            pose.x = aspect / 2.0 + dx * 0.6 + way * (t - 0.5) * 0.78 * amp;
            pose.y = y - 0.012 * (t * 4.0 * PI).sin().abs();
            pose.face = way;
        }
        Action::Jump => {
            let part = (t * 2.0) % 1.0;
            let height = 4.0 * part * (1.0 - part);
            pose.y = y - 0.36 * amp * height;
            pose.squash = 1.0 - 0.16 * (1.0 - 3.0 * height).clamp(0.0, 1.0);
        }
        Action::Float => {
            let eased = t * t * (3.0 - 2.0 * t);
            pose.y = y - 0.42 * amp * (0.35 * t + 0.65 * eased);
            pose.x = x + 0.03 * (t * 2.0 * PI).sin();
        }
        Action::Grow => {
            pose.radius = size * (0.62 + 0.90 * amp * t);
            pose.y = ground - pose.radius;
        }
        Action::Spin => pose.rotation = 2.0 * PI * t,
        Action::Still => {}
    }
    if scene.character == Character::Fish && pose.face == 0.0 {
        pose.face = 1.0;
    }
    pose
}

/// Renders `count` frames, evenly from the beginning to the end.
pub fn render(scene: &Scene, count: usize, width: usize, height: usize) -> Frames {
    let last = count.saturating_sub(1).max(1) as f32;
    let times: Vec<f32> = (0..count).map(|frame| frame as f32 / last).collect();
    render_at(scene, &times, width, height)
}

/// Renders frames at these times, each from 0 to 1.
pub fn render_at(scene: &Scene, times: &[f32], width: usize, height: usize) -> Frames {
    let (tall, aspect) = (height as f32, width as f32 / height as f32);
    let backdrop = Backdrop::new(scene.background, [scene.phase, scene.phase2], aspect);
    let empty = backdrop.picture(width, height);
    let colour = scene.colour.rgb();
    let mut bytes = Vec::with_capacity(times.len() * empty.len() * 3);
    for t in times {
        let mut picture = empty.clone();
        let Pose { x, y, radius, rotation, squash, face } = pose(scene, *t, aspect);
        let reach = radius * if scene.character == Character::Momo { 1.75 } else { 1.45 };
        let clip = |at: f32, most: usize| (at.max(0.0) as usize).min(most);
        let columns = clip((x - reach) * tall, width)..clip((x + reach) * tall + 2.0, width);
        let rows = clip((y - reach) * tall, height)..clip((y + reach) * tall + 2.0, height);
        let (cos, sin) = ((-rotation).cos(), (-rotation).sin());
        for row in rows {
            let gy = (row as f32 + 0.5) / tall - y - radius * (1.0 - squash);
            for column in columns.clone() {
                let gx = (column as f32 + 0.5) / tall - x;
                let u = (gx * cos - gy * sin) / radius / (2.0 - squash);
                let v = (gx * sin + gy * cos) / radius / squash;
                let pixel = &mut picture[row * width + column];
                layers(scene.character, [u, v], face, |d, paint| {
                    let alpha = (0.5 - d * radius * tall).clamp(0.0, 1.0);
                    if alpha > 0.0 {
                        *pixel = mix(*pixel, paint.on(colour), alpha);
                    }
                });
            }
        }
        bytes.extend(picture.iter().flatten().map(|c| (c.clamp(0.0, 1.0) * 255.0 + 0.5) as u8));
    }
    Frames::new(width, height, bytes).expect("because whole pictures were rendered")
}
