//! Charts as SVG files: bars and lines, all with logarithmic scales, because what they compare lies decades apart.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::table::{number, round_number};

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: f64,
    pub(super) colour: RGBColor,
}

/// Bars that stand together under a title, which may be empty.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BarGroup {
    pub(super) title: String,
    pub(super) bars: Vec<Bar>,
}

/// One line and its points.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) label: String,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) colour: RGBColor,
}

// The background is white also where the page is dark, so the colours are chosen for white.
const INK: RGBColor = RGBColor(36, 41, 47);
const GRID: RGBColor = RGBColor(216, 222, 228);
const WIDTH: u32 = 860;
const FONT: &str = "sans-serif";
const ROW: i32 = 26;
const LABELS: i32 = 250;

/// The colour of a subject, the same in all charts.
pub(super) fn colour(subject: &str) -> RGBColor {
    match subject {
        "Wharf, sync=always" => RGBColor(9, 105, 218),
        "Wharf, sync=100ms" => RGBColor(62, 142, 236),
        "Wharf, memory" => RGBColor(130, 184, 247),
        "Pushgateway" => RGBColor(207, 84, 26),
        "Pushgateway, unchecked" => RGBColor(236, 140, 79),
        "VictoriaMetrics" => RGBColor(130, 80, 223),
        _ => RGBColor(140, 149, 159),
    }
}

/// Horizontal bars with their numbers behind them.
pub(super) fn bars(path: &Path, title: &str, axis: &str, groups: &[BarGroup]) -> Result<()> {
    let values = groups.iter().flat_map(|group| &group.bars).map(|bar| bar.value);
    let Some((low, high)) = decades(values) else {
        return Ok(());
    };
    let rows: usize = groups
        .iter()
        .map(|group| group.bars.len() + usize::from(!group.title.is_empty()))
        .sum();
    let rows = i32::try_from(rows).unwrap_or(i32::MAX / ROW);
    let top = 50;
    let height = top + rows * ROW + 60;
    let root = SVGBackend::new(path, (WIDTH, height.unsigned_abs())).into_drawing_area();
    let right = i32::try_from(WIDTH).unwrap_or(i32::MAX) - 80;
    let x = |value: f64| {
        let share = (value.max(low).log10() - low.log10()) / (high.log10() - low.log10());
        LABELS + pixels(share * f64::from(right - LABELS))
    };
    let draw = || -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        root.fill(&WHITE)?;
        text(&root, title, 18, (16, 24), HPos::Left)?;
        let bottom = top + rows * ROW;
        for decade in ticks(low, high) {
            root.draw(&PathElement::new(
                vec![(x(decade), top), (x(decade), bottom)],
                GRID,
            ))?;
            text(
                &root,
                &round_number(decade),
                13,
                (x(decade), bottom + 14),
                HPos::Center,
            )?;
        }
        text(
            &root,
            axis,
            13,
            (LABELS.midpoint(right), bottom + 38),
            HPos::Center,
        )?;
        let mut y = top;
        for group in groups {
            if !group.title.is_empty() {
                text(&root, &group.title, 14, (16, y + ROW / 2), HPos::Left)?;
                y += ROW;
            }
            for bar in &group.bars {
                let corners = [(LABELS, y + 4), (x(bar.value), y + ROW - 4)];
                root.draw(&Rectangle::new(corners, bar.colour.filled()))?;
                let middle = y + ROW / 2;
                text(&root, &bar.label, 13, (LABELS - 8, middle), HPos::Right)?;
                text(
                    &root,
                    &number(bar.value),
                    13,
                    (x(bar.value) + 6, middle),
                    HPos::Left,
                )?;
                y += ROW;
            }
        }
        root.present()
    };
    draw()
        .map_err(|error| anyhow!("{error}"))
        .with_context(|| format!("draw {}", path.display()))
}

/// Lines over a logarithmic scale in both directions. What goes up is in the title, what goes right below the axis.
pub(super) fn lines(path: &Path, title: &str, axis: &str, lines: &[Line]) -> Result<()> {
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let (Some(x), Some(y)) = (
        decades(points().map(|point| point.0)),
        decades(points().map(|point| point.1)),
    ) else {
        return Ok(());
    };
    let root = SVGBackend::new(path, (WIDTH, 460)).into_drawing_area();
    let draw = || -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        root.fill(&WHITE)?;
        text(&root, title, 18, (16, 24), HPos::Left)?;
        let mut chart = ChartBuilder::on(&root)
            .margin_top(48)
            .margin_right(30)
            .margin_bottom(10)
            .x_label_area_size(46)
            .y_label_area_size(90)
            .build_cartesian_2d((x.0..x.1).log_scale(), (y.0..y.1).log_scale())?;
        chart
            .configure_mesh()
            .bold_line_style(GRID)
            .light_line_style(WHITE)
            .axis_style(INK)
            .label_style((FONT, 13).into_font().color(&INK))
            .axis_desc_style((FONT, 13).into_font().color(&INK))
            .x_desc(axis)
            .x_label_formatter(&|value| round_number(*value))
            .y_label_formatter(&|value| round_number(*value))
            .draw()?;
        for line in lines {
            let style = line.colour.stroke_width(3);
            chart
                .draw_series(LineSeries::new(line.points.iter().copied(), style))?
                .label(&line.label)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 22, y)], style));
            let dots = line
                .points
                .iter()
                .map(|&point| Circle::new(point, 4, style.filled()));
            chart.draw_series(dots)?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.85))
            .border_style(GRID)
            .label_font((FONT, 13).into_font().color(&INK))
            .draw()?;
        root.present()
    };
    draw()
        .map_err(|error| anyhow!("{error}"))
        .with_context(|| format!("draw {}", path.display()))
}

fn text<DB: DrawingBackend>(
    root: &DrawingArea<DB, plotters::coord::Shift>,
    text: &str,
    size: i32,
    at: (i32, i32),
    side: HPos,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    let style = TextStyle::from((FONT, size).into_font())
        .color(&INK)
        .pos(Pos::new(side, VPos::Center));
    root.draw(&Text::new(text.to_owned(), at, style))
}

/// The powers of ten around all positive values.
fn decades(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let mut ends: Option<(f64, f64)> = None;
    for value in values.filter(|value| value.is_finite() && *value > 0.0) {
        let (low, high) = ends.unwrap_or((value, value));
        ends = Some((low.min(value), high.max(value)));
    }
    let (low, high) = ends?;
    let (low, high) = (low.log10().floor(), high.log10().ceil());
    Some((10f64.powf(low), 10f64.powf(high.max(low + 1.0))))
}

fn ticks(low: f64, high: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(low), |tick| Some(tick * 10.0)).take_while(move |tick| *tick <= high * 1.001)
}

fn pixels(value: f64) -> i32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a position on a chart of some hundred pixels"
    )]
    let pixels = value.round() as i32;
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_powers_of_ten() {
        assert_eq!(decades([3.0, 250.0].into_iter()), Some((1.0, 1000.0)));
        assert_eq!(decades([100.0].into_iter()), Some((100.0, 1000.0)));
        assert_eq!(decades([0.0, f64::NAN].into_iter()), None);
        assert_eq!(ticks(1.0, 1000.0).count(), 4);
    }

    #[test]
    fn charts_have_their_labels_and_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bars.svg");
        let bar = |label: &str, value| Bar {
            label: label.to_owned(),
            value,
            colour: INK,
        };
        let group = BarGroup {
            title: "group".to_owned(),
            bars: vec![bar("ours", 12_345.0), bar("theirs", 49.0)],
        };
        bars(&path, "A title", "pushes/s", &[group]).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        for text in [
            "A title", "group", "ours", "theirs", "12,345", "pushes/s", "100,000",
        ] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        let path = folder.path().join("lines.svg");
        let line = Line {
            label: "ours".to_owned(),
            points: vec![(100.0, 50_000.0), (1e6, 40_000.0)],
            colour: INK,
        };
        lines(&path, "A title", "groups", &[line]).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        for text in ["A title", "ours", "groups", "1,000,000"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
    }
}
