//! Draws the panes: each has a legend above it, labels at both sides, and shapes that stay within.

use super::axis::{left, middle};
use super::marks::Pen;
use super::{BAND, Chart, Draw, Drawn, Frame, LEGEND, Line, Pane, Sample, colors, number};
use crate::analyze::short;
use everwarm_domain::market::Bar;
use everwarm_words::text::{fit, instant, plain};
use plotters::chart::{ChartBuilder, LabelAreaPosition};
use plotters::element::{CandleStick, PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, IntoFont, IntoTextStyle, RGBColor, TextStyle};
use std::ops::Range;

/// Pixels of the sample of a colour in a legend.
pub(super) const SAMPLE: i32 = 20;
/// Size of the letters of labels and legends.
const SMALL: i32 = 11;
/// Labels of the axes of prices and of other values, at most.
const PRICE_LABELS: usize = 10;
const VALUE_LABELS: usize = 4;

/// Small text.
fn small(frame: &Frame, color: RGBColor, pos: Pos) -> TextStyle<'static> {
    ("sans-serif", SMALL).into_font().color(&color).pos(pos).into_text_style(&frame.area)
}

impl Frame {
    /// A row of a legend.
    pub(super) fn legend(&self, row: &[(i32, Sample)], top: i32) -> Drawn {
        let style = small(self, colors::ink(), Pos::new(HPos::Left, VPos::Center));
        self.svg.open("legend", &[], "");
        for (at, sample) in row {
            let (x, y) = (self.labels + at, top + LEGEND / 2);
            let thick = if sample.is_line { 1 } else { 5 };
            let place = [(x, y - thick), (x + 14, y + thick)];
            self.area.draw(&Rectangle::new(place, sample.color.filled()))?;
            self.area.draw_text(&sample.name, &style, (x + SAMPLE, y))?;
        }
        self.svg.close();
        Ok(())
    }

    /// The name of each band, left of it.
    fn band_names(&self, place: &super::Area, lines: &[Line]) -> Drawn {
        let style = small(self, colors::dim(), Pos::new(HPos::Right, VPos::Center));
        let rows = (0..).step_by(usize::try_from(BAND).unwrap_or(1));
        for (line, top) in lines.iter().zip(rows) {
            let at = (self.labels - 8, top + BAND / 2);
            place.draw_text(&fit(&line.column.typed, super::NAME), &style, at)?;
        }
        Ok(())
    }
}

impl Draw<'_> {
    /// Draws a pane into its place. `times` are the pixels of the times below it.
    pub(super) fn pane(
        &self,
        frame: &Frame,
        place: &super::Area,
        at: usize,
        pane: &Pane,
        times: i32,
    ) -> Drawn {
        let range = self.range(pane);
        let mut chart = ChartBuilder::on(place)
            .set_label_area_size(LabelAreaPosition::Left, frame.labels)
            .set_label_area_size(LabelAreaPosition::Right, frame.labels)
            .x_label_area_size(times)
            .build_cartesian_2d(frame.axis.clone(), range.clone())?;
        frame.svg.open("axes", &[("shape-rendering", "crispEdges")], "");
        mesh(frame, &mut chart, pane)?;
        frame.svg.close();
        let (across, down) = chart.plotting_area().get_pixel_range();
        let id = format!("pane{at}");
        frame.svg.clip(&id, (across.start, down.start), (across.end, down.end));
        let clip = format!("url(#{id})");
        frame.svg.open("pane", &[("clip-path", &clip)], "");
        match pane {
            Pane::Prices(lines) => {
                self.events(frame, &mut chart, range)?;
                self.candles(frame, &mut chart)?;
                draw_lines(frame, &mut chart, lines)?;
            }
            Pane::Bands(lines) => self.bands(frame, &mut chart, lines)?,
            Pane::Volumes => self.volumes(frame, &mut chart)?,
            Pane::Values(lines) => draw_lines(frame, &mut chart, lines)?,
        }
        frame.svg.close();
        if let Pane::Bands(lines) = pane {
            frame.band_names(place, lines)?;
        }
        Ok(())
    }

    fn candles(&self, frame: &Frame, chart: &mut Chart) -> Drawn {
        let width = candle_width(frame);
        for (at, bar) in self.bars.iter().enumerate() {
            let rises = bar.close >= bar.open;
            let style = colors::candle(rises).filled();
            let [open, high, low, close] = bar.prices().map(|price| number(&price));
            let candle = CandleStick::new(middle(at), open, high, low, close, style, style, width);
            frame.svg.open("candle", &[], &bar_title(bar));
            chart.draw_series([candle])?;
            frame.svg.close();
        }
        Ok(())
    }

    fn volumes(&self, frame: &Frame, chart: &mut Chart) -> Drawn {
        frame.svg.open("volumes", &[], "");
        let half = f64::from(candle_width(frame)) / f64::from(frame.step) / 2.0;
        let column = |(at, bar): (usize, &Bar)| {
            let (x, volume) = (middle(at), number(&bar.volume));
            let style = colors::candle(bar.close >= bar.open).mix(0.7).filled();
            Rectangle::new([(x - half, volume), (x + half, 0.0)], style)
        };
        let known = self.bars.iter().enumerate().filter(|(_, bar)| !bar.volume.is_zero());
        chart.draw_series(known.map(column))?;
        frame.svg.close();
        Ok(())
    }

    fn events(&self, frame: &Frame, chart: &mut Chart, prices: Range<f64>) -> Drawn {
        let color = |(name, named): &(String, _)| {
            (name.clone(), colors::structure(super::marks::color(*named)))
        };
        let names: Vec<(String, RGBColor)> = self.scene.structures.iter().map(color).collect();
        let open_time = |bar: u64| {
            let bar = self.scene.bars.get(usize::try_from(bar).ok()?)?;
            Some(bar.open_time)
        };
        let first = self.scene.first();
        let bars = first..self.scene.bars.len();
        let svg = &frame.svg;
        let (names, open_time) = (&names[..], &open_time);
        let mut pen = Pen { chart, svg, bars, prices, names, open_time };
        self.marks.iter().try_for_each(|mark| pen.draw(mark))
    }

    /// Rows of states. Each run of one state is a rectangle, with its word if there is room.
    fn bands(&self, frame: &Frame, chart: &mut Chart, lines: &[Line]) -> Drawn {
        let style = small(frame, colors::ink(), Pos::new(HPos::Center, VPos::Center));
        for (row, line) in lines.iter().rev().enumerate() {
            let low = left(row);
            let word = |at: usize| line.column.formula.word(*line.values.get(at)?);
            let mut from = 0;
            while from < line.values.len() {
                let same = (from..line.values.len()).take_while(|at| word(*at) == word(from));
                let to = from + same.count();
                if let Some(word) = word(from) {
                    let (from_x, to_x) = (left(from), left(to));
                    let time = |at: usize| self.bars.get(at).map_or(0, |bar| bar.open_time);
                    let (first, last) = (instant(time(from)), instant(time(to - 1)));
                    let name = &line.column.typed;
                    let title = format!("{name}: {word} from {first} to {last} UTC");
                    let bars = (to - from).to_string();
                    let attributes = [("data-state", word), ("data-bars", &bars)];
                    frame.svg.open("band", &attributes, &title);
                    let place = [(from_x, low + 0.9), (to_x, low + 0.1)];
                    chart.draw_series([Rectangle::new(place, colors::band(word).filled())])?;
                    let room = f64::from(frame.step) * (to_x - from_x);
                    if room > f64::from(super::LETTER) * left(word.len()) {
                        let at = (f64::midpoint(from_x, to_x), low + 0.5);
                        chart.draw_series([Text::new(word, at, style.clone())])?;
                    }
                    frame.svg.close();
                }
                from = to;
            }
        }
        Ok(())
    }
}

/// Pixels of the body of a candle: odd, so that its wick is in the middle.
fn candle_width(frame: &Frame) -> u32 {
    u32::try_from(frame.step * 7 / 10).unwrap_or(1) | 1
}

fn bar_title(bar: &Bar) -> String {
    let time = instant(bar.open_time);
    let [open, high, low, close] = bar.prices().map(|price| price.to_string());
    let volume = match bar.volume {
        volume if volume.is_zero() => String::new(),
        volume => format!(", volume {}", plain(volume)),
    };
    format!("{time} UTC: open {open}, high {high}, low {low}, close {close}{volume}")
}

/// The axes, their labels and the grid.
fn mesh(frame: &Frame, chart: &mut Chart, pane: &Pane) -> Drawn {
    let label = small(frame, colors::dim(), Pos::default());
    let format = |value: &f64| short(rounded(*value));
    let mut mesh = chart.configure_mesh();
    mesh.bold_line_style(colors::grid())
        .light_line_style(colors::grid().mix(0.0))
        .axis_style(colors::dim())
        .label_style(label)
        .y_label_formatter(&format)
        .set_all_tick_mark_size(4);
    match pane {
        Pane::Prices(_) => mesh.y_labels(PRICE_LABELS),
        Pane::Bands(_) => mesh.disable_y_mesh().disable_y_axis(),
        Pane::Volumes | Pane::Values(_) => mesh.y_labels(VALUE_LABELS),
    };
    mesh.x_desc("open time (UTC)").draw()
}

/// Without the noise of the last digits, so that a label is `0.3` and not `0.30000000000000004`.
fn rounded(value: f64) -> f64 {
    format!("{value:.12e}").parse().unwrap_or(value)
}

/// Lines through defined values. A value that has no neighbour is a short line.
fn draw_lines(frame: &Frame, chart: &mut Chart, lines: &[Line]) -> Drawn {
    for line in lines {
        let name = &line.column.typed;
        frame.svg.open("line", &[("data-name", name)], name);
        let shown = |at: &usize| {
            let value = line.values[*at];
            // A zone that is absent has the price 0.
            value.is_finite() && !(line.column.formula.is_price() && value == 0.0)
        };
        let mut from = 0;
        while from < line.values.len() {
            let run = (from..line.values.len()).take_while(shown).count();
            let mut points: Vec<(f64, f64)> =
                (from..from + run).map(|at| (middle(at), line.values[at])).collect();
            if let [(x, value)] = points[..] {
                points = vec![(x - 0.4, value), (x + 0.4, value)];
            }
            if !points.is_empty() {
                let style = line.color.stroke_width(2);
                chart.draw_series([PathElement::new(points, style)])?;
            }
            from += run.max(1);
        }
        frame.svg.close();
    }
    Ok(())
}
