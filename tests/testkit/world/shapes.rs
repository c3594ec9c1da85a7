//! Signed distances: negative inside, zero on the line.

/// A circle.
pub(super) fn circle(u: f32, v: f32, cx: f32, cy: f32, r: f32) -> f32 {
    ((u - cx).powi(2) + (v - cy).powi(2)).sqrt() - r
}

/// An ellipse of half axes `a` and `b`; near its line the distance is good, far from it only its sign is.
pub(super) fn ellipse(u: f32, v: f32, cx: f32, cy: f32, a: f32, b: f32) -> f32 {
    let k = (((u - cx) / a).powi(2) + ((v - cy) / b).powi(2)).sqrt();
    let g = (((u - cx) / (a * a)).powi(2) + ((v - cy) / (b * b)).powi(2)).sqrt() + 1e-6;
    k * (k - 1.0) / g
}

/// A box of half sides `hx` and `hy` with corners of radius `r`.
pub(super) fn rounded_box([u, v]: [f32; 2], [cx, cy]: [f32; 2], [hx, hy]: [f32; 2], r: f32) -> f32 {
    let (qx, qy) = ((u - cx).abs() - hx + r, (v - cy).abs() - hy + r);
    (qx.max(0.0).powi(2) + qy.max(0.0).powi(2)).sqrt() + qx.max(qy).min(0.0) - r
}

/// A polygon.
pub(super) fn polygon(u: f32, v: f32, points: &[[f32; 2]]) -> f32 {
    let mut squared = 1e9_f32;
    let mut sign = 1.0_f32;
    let mut before = points.len() - 1;
    for (i, &[ax, ay]) in points.iter().enumerate() {
        let [bx, by] = points[before];
        before = i;
        let (ex, ey) = (bx - ax, by - ay);
        let (wx, wy) = (u - ax, v - ay);
        let t = ((wx * ex + wy * ey) / (ex * ex + ey * ey)).clamp(0.0, 1.0);
        squared = squared.min((wx - ex * t).powi(2) + (wy - ey * t).powi(2));
        let above = [v >= ay, v < by, ex * wy > ey * wx];
        if above == [true; 3] || above == [false; 3] {
            sign = -sign;
        }
    }
    sign * squared.sqrt()
}

/// The star's points, which lie on two circles in turn.
pub(super) const STAR: [[f32; 2]; 10] = {
    // Sines of 0, 36, 72 ... degrees; the cosines are the same from 90 degrees on.
    const SIN: [f32; 10] = [
        0.0,
        0.587_785_25,
        0.951_056_5,
        0.951_056_5,
        0.587_785_25,
        0.0,
        -0.587_785_25,
        -0.951_056_5,
        -0.951_056_5,
        -0.587_785_25,
    ];
    const COS: [f32; 10] = [
        1.0, 0.809_017, 0.309_017, -0.309_017, -0.809_017, -1.0, -0.809_017, -0.309_017, 0.309_017,
        0.809_017,
    ];
    let mut points = [[0.0; 2]; 10];
    let mut i = 0;
    while i < 10 {
        let radius = if i % 2 == 0 { 1.08 } else { 0.56 };
        points[i] = [SIN[i] * radius, -COS[i] * radius + 0.06];
        i += 1;
    }
    points
};
