//! The running times as a picture: a bar for each guest and peer.

use anyhow::anyhow;
use plotters::prelude::*;

use crate::run::Results;

/// Width of a guest's group of bars, and heights, in pixels.
const GROUP: u32 = 120;
const HEIGHT: u32 = 640;
const MARGIN: u32 = 90;

/// The largest ratio shown; bars of larger ones are cut.
const HIGHEST: f64 = 2.0;

/// TVM's time as a ratio to that of each peer that a goal speaks of, guest by guest. Below 1, TVM is faster.
pub fn bars(results: &Results) -> anyhow::Result<String> {
    let peers: Vec<usize> = (0..results.engines.len()).filter(|&index| results.engines[index].goal.is_some()).collect();
    let mut svg = String::new();
    {
        let width = MARGIN * 2 + GROUP * results.guests.len() as u32;
        let root = SVGBackend::with_string(&mut svg, (width, HEIGHT)).into_drawing_area();
        draw(&root, results, &peers).map_err(|error| anyhow!("cannot draw: {error}"))?;
    }
    Ok(svg)
}

fn draw(
    root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    results: &Results,
    peers: &[usize],
) -> Result<(), Box<dyn std::error::Error>> {
    root.fill(&WHITE)?;
    let guests = results.guests.len() as f64;
    let mut chart = ChartBuilder::on(root)
        .caption(format!("Time of {} as a ratio to other engines'", results.engines[0].name), ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..guests, 0.0..HIGHEST)?;
    // A label in the middle of each group.
    let name = |at: &f64| {
        let row = results.guests.get(at.floor() as usize).filter(|_| (at.fract() - 0.5).abs() < 1e-6);
        row.map_or_else(String::new, |row| row.guest.clone())
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .max_light_lines(0)
        .label_style(("sans-serif", 16))
        .x_labels(2 * results.guests.len() + 1)
        .x_label_formatter(&name)
        .y_desc("ratio; below 1 TVM is faster")
        .draw()?;
    let bar = 0.8 / peers.len() as f64;
    for (place, &peer) in peers.iter().enumerate() {
        let color = Palette99::pick(place).to_rgba();
        let rectangles = results.ratios(0, peer).into_iter().enumerate().map(|(guest, ratio)| {
            let left = guest as f64 + 0.1 + bar * place as f64;
            Rectangle::new([(left, 0.0), (left + bar * 0.9, ratio.min(HIGHEST))], color.filled())
        });
        chart
            .draw_series(rectangles)?
            .label(results.engines[peer].name.clone())
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], color.filled()));
    }
    chart.draw_series([PathElement::new(vec![(0.0, 1.0), (guests, 1.0)], BLACK)])?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK)
        .label_font(("sans-serif", 16))
        .draw()?;
    root.present()?;
    Ok(())
}
