//! `everwarm analyze --plot`: candles with indicators, structures and bands as SVG.
//!
//! The chart library places and draws the panes, axes and shapes. The newest bars are drawn. Values
//! and events come from all bars before them, too. The same input gives the same bytes.

mod axis;
mod colors;
mod marks;
mod panes;
mod svg;

use self::axis::{Bars, around};
use self::marks::Marks;
use self::svg::Svg;
use super::structure::Structures;
use super::{Column, Rows, short};
use crate::print::Printer;
use everwarm_analysis::structure::Named;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_runtime::files::write_whole;
use everwarm_views::backup::failed;
use everwarm_views::exit::{Exit, Failure};
use everwarm_words::text::{count, fit, instant, thousands};
use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::style::{FontStyle, IntoFont, RGBColor};
use std::convert::Infallible;
use std::ops::Range;
use std::path::Path;

/// Bars that are drawn, unless a flag says otherwise.
pub(super) const BARS: u64 = 2_000;
/// Most bars that are drawn.
pub(super) const BARS_MAX: u64 = 5_000;
/// Most values of indicators, and most structures.
const VALUES_MAX: usize = 32;
const STRUCTURES_MAX: usize = 16;

/// Pixels of the bars together: about, and at least.
const WIDE: i32 = 1_200;
const WIDE_MIN: i32 = 900;
/// Pixels of a bar.
const STEP: Range<i32> = 4..24;
/// Heights in pixels.
const TITLE: i32 = 34;
const LEGEND: i32 = 18;
const PRICES: i32 = 440;
const PANE: i32 = 110;
const BAND: i32 = 20;
const TIMES: i32 = 42;
const GAP: i32 = 8;
/// Characters of a name.
const NAME: usize = 40;
/// Pixels of a letter of the small text, at most.
const LETTER: i32 = 7;

type Drawn = Result<(), DrawingAreaErrorKind<Infallible>>;
type Chart<'a> = ChartContext<'a, Svg, Cartesian2d<Bars, RangedCoordf64>>;
type Area = DrawingArea<Svg, Shift>;

/// What is drawn.
pub(super) struct Scene<'a> {
    pub(super) file: &'a Path,
    pub(super) bars: &'a [Bar],
    pub(super) columns: &'a [Column],
    pub(super) structures: &'a [(String, Named)],
    /// Number of the newest bars that are drawn.
    pub(super) most: usize,
}

/// A value of an indicator at the drawn bars.
struct Line<'a> {
    column: &'a Column,
    color: RGBColor,
    values: Vec<f64>,
}

/// A part of the picture with an axis of its own.
enum Pane<'a> {
    Prices(Vec<Line<'a>>),
    Bands(Vec<Line<'a>>),
    Volumes,
    Values(Vec<Line<'a>>),
}

impl Pane<'_> {
    fn height(&self) -> i32 {
        match self {
            Pane::Prices(_) => PRICES,
            Pane::Bands(lines) => BAND * i32::try_from(lines.len()).unwrap_or(1),
            Pane::Volumes | Pane::Values(_) => PANE,
        }
    }
}

/// An entry of a legend: a sample of the colour, and a name.
struct Sample {
    color: RGBColor,
    is_line: bool,
    name: String,
}

/// Checks what is asked before anything is read.
///
/// # Errors
/// The picture would replace another kind of file, or it would not be readable.
pub(super) fn check(
    file: &Path,
    source: &Path,
    columns: &[Column],
    structures: &[(String, Named)],
) -> Result<(), String> {
    let name = file.display();
    if file.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("svg")) {
        return Err(format!("the picture is SVG; name a file that ends with .svg, not {name}"));
    }
    let same = |one: &Path, other: &Path| one.canonicalize().ok() == other.canonicalize().ok();
    if file.exists() && same(file, source) {
        return Err(format!("{name} is the file of the bars; choose another name"));
    }
    let check = |number: usize, most: usize, what: &str| match number {
        number if number <= most => Ok(()),
        number => Err(format!("draws at most {most} {what}, not {number}; name fewer")),
    };
    check(columns.len(), VALUES_MAX, "values of indicators")?;
    check(structures.len(), STRUCTURES_MAX, "structures")
}

/// The rows of a legend: samples, with the pixels to their left.
type Legend = Vec<Vec<(i32, Sample)>>;

impl Scene<'_> {
    /// Draws the picture into a file. It replaces an older file.
    ///
    /// # Errors
    /// The file cannot be written, or the prices of the bars fit no common number of decimals.
    pub(super) fn write(&self, file: &Path, printer: Printer) -> Result<(), Failure> {
        let picture = self.draw()?;
        write_whole(file, picture.as_bytes()).map_err(|e| failed(file, &e))?;
        printer.note(&format!("{}: written, with {}", file.display(), self.about()));
        Ok(())
    }

    /// The number of the first bar that is drawn.
    fn first(&self) -> usize {
        self.bars.len().saturating_sub(self.most)
    }

    /// What the picture shows, for people.
    fn about(&self) -> String {
        let (all, drawn) = (self.bars.len(), self.bars.len() - self.first());
        let number = count(drawn as u64, "bar");
        if drawn == all {
            return number;
        }
        format!("the newest {number} of {}", thousands(all as u64))
    }

    /// Draws the picture.
    ///
    /// # Errors
    /// The prices of the bars fit no common number of decimals.
    fn draw(&self) -> Result<String, Failure> {
        let (lines, marks) = (self.lines()?, self.marks()?);
        let draw = Draw { scene: self, bars: &self.bars[self.first()..], marks };
        draw.picture(lines).map_err(|why| Failure::new(Exit::Failed, format!("--plot: {why}")))
    }

    /// The values at the drawn bars.
    fn lines(&self) -> Result<Vec<Line<'_>>, Failure> {
        let mut rows = Rows::new(self.columns, self.bars)?;
        let line = |column| Line { column, color: colors::ink(), values: Vec::new() };
        let mut lines: Vec<Line> = self.columns.iter().map(line).collect();
        for (at, bar) in self.bars.iter().enumerate() {
            let values = rows.values(bar);
            if at >= self.first() {
                for (line, value) in lines.iter_mut().zip(values) {
                    line.values.push(*value);
                }
            }
        }
        Ok(lines)
    }

    /// The events that the drawn bars show.
    fn marks(&self) -> Result<Vec<marks::Mark>, Failure> {
        let mut structures = Structures::new(self.structures, self.bars)?;
        let mut marks = Marks::new(self.first(), self.structures.len());
        for bar in self.bars {
            structures.each(bar, |of, event| marks.take(of, event));
        }
        Ok(marks.all())
    }
}

/// The drawing of a scene.
struct Draw<'a> {
    scene: &'a Scene<'a>,
    bars: &'a [Bar],
    marks: Vec<marks::Mark>,
}

/// The sizes that all panes share.
struct Frame {
    svg: Svg,
    area: Area,
    axis: Bars,
    /// Pixels of the labels at each side.
    labels: i32,
    /// Pixels of all bars.
    wide: i32,
    step: i32,
}

impl Draw<'_> {
    fn picture(&self, lines: Vec<Line>) -> Result<String, DrawingAreaErrorKind<Infallible>> {
        let number = i32::try_from(self.bars.len()).unwrap_or(i32::MAX).max(1);
        let step = (WIDE / number).clamp(STEP.start, STEP.end);
        let slots = number.max((WIDE_MIN + step - 1) / step);
        let wide = slots.saturating_mul(step);
        let panes: Vec<(Pane, Legend)> = self
            .panes(lines)
            .into_iter()
            .map(|pane| {
                let samples = self.samples(&pane);
                (pane, rows(samples, wide))
            })
            .collect();
        let labels = panes.iter().map(|(pane, _)| self.label_width(pane)).max().unwrap_or(0);
        let tall = |(pane, legend): &(Pane, Legend)| {
            pane.height() + LEGEND * i32::try_from(legend.len()).unwrap_or(0) + GAP
        };
        let height = TITLE + panes.iter().map(tall).sum::<i32>() + TIMES;
        let size = |pixels: i32| u32::try_from(pixels).unwrap_or(1);
        let title = self.title();
        let svg = Svg::new((size(wide + 2 * labels + 1), size(height)), &title);
        let times: Vec<i64> = self.bars.iter().map(|bar| bar.open_time).collect();
        let axis = Bars::new(&times, size(slots), step);
        let area = svg.clone().into_drawing_area();
        let frame = Frame { svg, area, axis, labels, wide, step };
        let bold = ("sans-serif", 14, FontStyle::Bold).into_font().color(&colors::ink());
        frame.area.draw_text(&title, &bold, (labels, 10))?;
        let (mut top, last) = (TITLE, panes.len().saturating_sub(1));
        for (at, (pane, legend)) in panes.iter().enumerate() {
            for row in legend {
                frame.legend(row, top)?;
                top += LEGEND;
            }
            let axis = if at == last { TIMES } else { 0 };
            let size = (frame.wide + 2 * labels + 1, pane.height() + axis);
            let place = frame.area.clone().shrink((0, top), size);
            self.pane(&frame, &place, at, pane, axis)?;
            top += pane.height() + GAP;
        }
        Ok(frame.svg.finish())
    }

    fn title(&self) -> String {
        let file = self.scene.file.file_name().unwrap_or_default().to_string_lossy();
        let time = |bar: Option<&Bar>| bar.map_or(0, |bar| bar.open_time);
        let (from, to) = (time(self.bars.first()), time(self.bars.last()));
        let (file, about) = (fit(&file, NAME), self.scene.about());
        format!("{file}: {} to {} UTC, {about}", instant(from), instant(to))
    }

    /// The panes from above: prices, bands, volumes, one for each other indicator.
    fn panes<'a>(&self, lines: Vec<Line<'a>>) -> Vec<Pane<'a>> {
        let (on_prices, others): (Vec<Line>, Vec<Line>) =
            lines.into_iter().partition(|line| line.column.formula.is_price());
        let (bands, others): (Vec<Line>, Vec<Line>) =
            others.into_iter().partition(|line| line.column.formula.has_words());
        let mut panes = vec![Pane::Prices(on_prices)];
        if !bands.is_empty() {
            panes.push(Pane::Bands(bands));
        }
        if self.bars.iter().any(|bar| bar.volume > Decimal::ZERO) {
            panes.push(Pane::Volumes);
        }
        for line in others {
            match panes.last_mut() {
                Some(Pane::Values(same)) if same[0].column.group == line.column.group => {
                    same.push(line);
                }
                _ => panes.push(Pane::Values(vec![line])),
            }
        }
        for pane in &mut panes {
            match pane {
                Pane::Prices(lines) | Pane::Values(lines) => {
                    let numbered = lines.iter_mut().enumerate();
                    numbered.for_each(|(at, line)| line.color = colors::line(at));
                }
                Pane::Bands(_) | Pane::Volumes => {}
            }
        }
        panes
    }

    /// The legend of a pane.
    fn samples(&self, pane: &Pane) -> Vec<Sample> {
        let lines = |lines: &[Line]| -> Vec<Sample> {
            let name = |line: &Line| fit(&line.column.typed, NAME);
            let sample =
                |line: &Line| Sample { color: line.color, is_line: true, name: name(line) };
            lines.iter().map(sample).collect()
        };
        match pane {
            Pane::Prices(all) => {
                let structure = |(name, named): &(String, Named)| {
                    let color = colors::structure(marks::color(*named));
                    Sample { color, is_line: false, name: fit(name, NAME) }
                };
                let structures = self.scene.structures.iter().map(structure);
                lines(all).into_iter().chain(structures).collect()
            }
            Pane::Values(all) => lines(all),
            Pane::Volumes => {
                let color = colors::candle(true);
                vec![Sample { color, is_line: false, name: "volume".to_owned() }]
            }
            Pane::Bands(all) => {
                let mut known = Vec::new();
                for line in all {
                    let formula = &line.column.formula;
                    for word in line.values.iter().filter_map(|value| formula.word(*value)) {
                        if !known.contains(&(formula.name(), word)) {
                            known.push((formula.name(), word));
                        }
                    }
                }
                let sample = |(name, word): (&str, &'static str)| {
                    let name = format!("{name}: {word}");
                    Sample { color: colors::band(word), is_line: false, name }
                };
                known.into_iter().map(sample).collect()
            }
        }
    }

    /// The range of the values of a pane.
    fn range(&self, pane: &Pane) -> Range<f64> {
        let values = |lines: &[Line]| -> Vec<f64> {
            lines.iter().flat_map(|line| line.values.iter().copied()).collect()
        };
        match pane {
            Pane::Prices(lines) => {
                let prices = self.bars.iter().flat_map(|bar| [number(&bar.high), number(&bar.low)]);
                around(values(lines).into_iter().filter(|value| *value != 0.0).chain(prices))
            }
            Pane::Bands(lines) => 0.0..axis::left(lines.len()),
            Pane::Volumes => {
                let volumes = self.bars.iter().map(|bar| number(&bar.volume));
                0.0..around(volumes.chain([0.0])).end
            }
            Pane::Values(lines) => around(values(lines).into_iter()),
        }
    }

    /// The pixels that the labels of a pane need.
    fn label_width(&self, pane: &Pane) -> i32 {
        let letters = match pane {
            Pane::Bands(lines) => {
                lines.iter().map(|line| line.column.typed.chars().count()).max().unwrap_or(0)
            }
            Pane::Prices(_) | Pane::Volumes | Pane::Values(_) => {
                let range = self.range(pane);
                let third = range.start + (range.end - range.start) / 3.0;
                let texts = [range.start, range.end, third].map(short);
                texts.iter().map(|text| text.chars().count()).max().unwrap_or(0)
            }
        };
        LETTER * i32::try_from(letters.min(NAME)).unwrap_or(0) + 20
    }
}

/// The rows of a legend. Each has its samples with their places.
fn rows(samples: Vec<Sample>, wide: i32) -> Legend {
    let mut rows = Legend::new();
    let mut next = i32::MAX;
    for sample in samples {
        let letters = i32::try_from(sample.name.chars().count()).unwrap_or(0);
        let size = panes::SAMPLE + LETTER * letters + 14;
        if next.saturating_add(size) > wide {
            rows.push(Vec::new());
            next = 0;
        }
        if let Some(row) = rows.last_mut() {
            row.push((next, sample));
        }
        next += size;
    }
    rows
}

/// A price or volume for a chart.
fn number(value: &impl ToString) -> f64 {
    value.to_string().parse().unwrap_or(f64::NAN)
}
