//! The events of structures as shapes.
//!
//! Nothing looks ahead. A shape is pale from the bar of its item on, and strong from the bar at
//! whose close the event became known. It ends at the bar at which its end became known.

use super::axis::{left, middle};
use super::svg::Svg;
use super::{Chart, Drawn};
use everwarm_analysis::structure::{Event, Kind, Named, Place, Side};
use everwarm_domain::time::UtcMs;
use everwarm_words::text::instant;
use plotters::element::{Circle, Cross, EmptyElement, PathElement, Rectangle, TriangleMarker};
use plotters::style::{Color as _, RGBAColor, RGBColor, ShapeStyle};
use std::ops::Range;

/// How much of a colour a pale line shows, and a pale and a strong zone.
const PALE_LINE: f64 = 0.45;
const PALE_ZONE: f64 = 0.1;
const STRONG_ZONE: f64 = 0.26;
/// Bars of the strong line of a break.
const BREAK: u64 = 6;

/// An event, and what is drawn of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mark {
    pub(super) event: Event,
    /// The number of its structure in the list.
    pub(super) of: usize,
    /// The bar at whose close the next event of its item became known.
    until: Option<u64>,
}

/// Collects the marks that are seen from a bar on. It keeps no others, so that a long file needs
/// little memory.
#[derive(Debug)]
pub(super) struct Marks {
    first: u64,
    /// The number of the next event.
    next: usize,
    /// Seen marks with the numbers of their events.
    seen: Vec<(usize, Mark)>,
    /// The same of those whose item lasts, by structure, oldest first.
    open: Vec<Vec<(usize, Mark)>>,
}

impl Marks {
    /// Marks of a number of structures that are seen from the bar `first` on.
    pub(super) fn new(first: usize, structures: usize) -> Marks {
        let open = vec![Vec::new(); structures];
        Marks { first: first as u64, next: 0, seen: Vec::new(), open }
    }

    /// Takes the next event of a structure.
    pub(super) fn take(&mut self, of: usize, event: Event) {
        let number = self.next;
        self.next += 1;
        if role(event.kind) != Role::Begins {
            let same = |(_, mark): &(usize, Mark)| mark.is_same(&event);
            if let Some(place) = self.open[of].iter().rposition(same) {
                let (number, mark) = self.open[of].remove(place);
                self.keep(number, Mark { until: Some(event.known), ..mark });
            }
        }
        let mark = Mark { event, of, until: None };
        if role(event.kind) == Role::Ends {
            self.keep(number, mark);
        } else if mark.is_seen_from(self.first) {
            self.open[of].push((number, mark));
        }
    }

    fn keep(&mut self, number: usize, mark: Mark) {
        if mark.is_seen_from(self.first) {
            self.seen.push((number, mark));
        }
    }

    /// All of them, in the order of their events.
    pub(super) fn all(self) -> Vec<Mark> {
        let mut all = self.seen;
        all.extend(self.open.into_iter().flatten());
        all.sort_unstable_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, mark)| mark).collect()
    }
}

impl Mark {
    /// Whether a picture that begins with the bar `first` shows it.
    fn is_seen_from(&self, first: u64) -> bool {
        match role(self.event.kind) {
            Role::Ends => self.event.known >= first,
            _ if breaks(self.event.kind) => self.event.known + BREAK >= first,
            Role::Begins | Role::Continues => self.until.is_none_or(|until| until >= first),
        }
    }

    /// Whether an event is about the same item.
    fn is_same(&self, event: &Event) -> bool {
        let own = &self.event;
        let place = (own.index, own.side, own.place) == (event.index, event.side, event.place);
        place && family(own.kind) == family(event.kind)
    }
}

/// What an event does to its item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Begins,
    Continues,
    Ends,
}

const fn role(kind: Kind) -> Role {
    match kind {
        Kind::SwingConfirmed
        | Kind::Gap
        | Kind::Bos
        | Kind::Choch
        | Kind::Block
        | Kind::Liquidity => Role::Begins,
        Kind::BlockMitigated => Role::Continues,
        Kind::SwingReplaced
        | Kind::SwingFinal
        | Kind::GapMitigated
        | Kind::GapRemoved
        | Kind::BosRemoved
        | Kind::ChochRemoved
        | Kind::BlockInvalidated
        | Kind::BlockRemoved
        | Kind::LiquiditySwept
        | Kind::LiquidityRemoved => Role::Ends,
    }
}

/// Whether it is the break of a level: that ends soon, unless it is removed before.
const fn breaks(kind: Kind) -> bool {
    matches!(kind, Kind::Bos | Kind::Choch)
}

/// The event that begins such an item.
const fn family(kind: Kind) -> Kind {
    match kind {
        Kind::SwingConfirmed | Kind::SwingReplaced | Kind::SwingFinal => Kind::SwingConfirmed,
        Kind::Gap | Kind::GapMitigated | Kind::GapRemoved => Kind::Gap,
        Kind::Bos | Kind::BosRemoved => Kind::Bos,
        Kind::Choch | Kind::ChochRemoved => Kind::Choch,
        Kind::Block | Kind::BlockMitigated | Kind::BlockInvalidated | Kind::BlockRemoved => {
            Kind::Block
        }
        Kind::Liquidity | Kind::LiquiditySwept | Kind::LiquidityRemoved => Kind::Liquidity,
    }
}

/// Whether the end of an item is a removal, which a cross shows. Else a dot shows it.
const fn removes(kind: Kind) -> bool {
    match kind {
        Kind::SwingReplaced
        | Kind::GapRemoved
        | Kind::BosRemoved
        | Kind::ChochRemoved
        | Kind::BlockRemoved
        | Kind::BlockInvalidated
        | Kind::LiquidityRemoved => true,
        Kind::SwingConfirmed
        | Kind::SwingFinal
        | Kind::Gap
        | Kind::GapMitigated
        | Kind::Bos
        | Kind::Choch
        | Kind::Block
        | Kind::BlockMitigated
        | Kind::Liquidity
        | Kind::LiquiditySwept => false,
    }
}

/// The number of the colour of a structure. All structures of one name share it.
pub(super) const fn color(named: Named) -> usize {
    match named {
        Named::Swings(_) => 0,
        Named::Gaps { .. } => 1,
        Named::Bos(_) => 2,
        Named::Choch(_) => 3,
        Named::OrderBlocks(_) => 4,
        Named::Liquidity(_) => 5,
    }
}

/// Draws marks into the chart of prices.
pub(super) struct Pen<'a, 'b> {
    pub(super) chart: &'a mut Chart<'b>,
    pub(super) svg: &'a Svg,
    /// The bars that are drawn.
    pub(super) bars: Range<usize>,
    /// The prices of the axis.
    pub(super) prices: Range<f64>,
    /// The names of the structures as typed, and their colours.
    pub(super) names: &'a [(String, RGBColor)],
    /// The start of a bar.
    pub(super) open_time: &'a dyn Fn(u64) -> Option<UtcMs>,
}

impl Pen<'_, '_> {
    /// Draws one event as a group with its numbers. It draws nothing of prices beyond the axis:
    /// the library would move them to the edge.
    pub(super) fn draw(&mut self, mark: &Mark) -> Drawn {
        let (event, (name, color)) = (&mark.event, &self.names[mark.of]);
        let (top, bottom) = match event.place {
            Place::Level(price) => (event.quote(price), event.quote(price)),
            Place::Zone { top, bottom } => (event.quote(top), event.quote(bottom)),
        };
        if bottom > self.prices.end || top < self.prices.start {
            return Ok(());
        }
        let (index, known) = (event.index.to_string(), event.known.to_string());
        let attributes = [
            ("data-event", event.kind.name()),
            ("data-type", event.type_name()),
            ("data-index", &index),
            ("data-known-index", &known),
        ];
        let title = title(name, event, self.open_time);
        self.svg.open("event", &attributes, &title);
        let color = *color;
        match event.place {
            Place::Level(_) => self.level(mark, top, color)?,
            Place::Zone { .. } => self.zone(mark, [top, bottom], color)?,
        }
        self.svg.close();
        Ok(())
    }

    /// The place of a bar on the axis. It is negative for bars that are not drawn.
    fn x(&self, bar: u64) -> f64 {
        let bar = usize::try_from(bar).unwrap_or(usize::MAX);
        match bar.checked_sub(self.bars.start) {
            Some(at) => middle(at),
            None => middle(0) - left(self.bars.start - bar),
        }
    }

    /// Where a shape ends: at a bar, or behind the last bar.
    fn end(&self, until: Option<u64>) -> f64 {
        until.map_or(left(self.bars.len()), |bar| self.x(bar))
    }

    fn path(&mut self, points: &[(f64, f64)], style: impl Into<ShapeStyle>) -> Drawn {
        self.chart.draw_series([PathElement::new(points.to_vec(), style)]).map(drop)
    }

    /// An event at a price: a swing, a break or liquidity.
    fn level(&mut self, mark: &Mark, price: f64, color: RGBColor) -> Drawn {
        let event = &mark.event;
        let (from, known) = (self.x(event.index), self.x(event.known));
        if role(event.kind) == Role::Ends {
            return self.end_mark(event.kind, (known, price), color);
        }
        let swing = event.kind == Kind::SwingConfirmed;
        self.svg.open("pale", &[], "");
        self.path(&[(from, price), (known, price)], color.mix(PALE_LINE))?;
        if swing {
            self.arrow((from, price), event.side, color.mix(PALE_LINE).into())?;
        }
        self.svg.close();
        self.svg.open("strong", &[], "");
        let end = self.end(mark.until);
        let (end, width) =
            if breaks(event.kind) { (end.min(self.x(event.known + BREAK)), 3) } else { (end, 1) };
        self.path(&[(known, price), (end.max(known), price)], color.stroke_width(width))?;
        if swing {
            self.arrow((known, price), event.side, color.filled())?;
        }
        self.svg.close();
        Ok(())
    }

    /// An event of a zone: of a gap or an order block.
    fn zone(&mut self, mark: &Mark, [top, bottom]: [f64; 2], color: RGBColor) -> Drawn {
        let event = &mark.event;
        let (from, known) = (self.x(event.index), self.x(event.known));
        let near = if event.side == Side::Up { top } else { bottom };
        if role(event.kind) == Role::Ends {
            return self.end_mark(event.kind, (known, near), color);
        }
        let end = self.end(mark.until).max(known);
        let zone = |from: f64, to: f64, style: RGBAColor| {
            Rectangle::new([(from, top), (to, bottom)], style.filled())
        };
        if role(event.kind) == Role::Continues {
            // The zone goes on as an outline.
            self.svg.open("strong", &[("stroke-dasharray", "3 2")], "");
            let edges = [(known, top), (end, top), (end, bottom), (known, bottom), (known, top)];
            self.path(&edges, color)?;
            self.svg.close();
            return self.end_mark(event.kind, (known, near), color);
        }
        self.svg.open("pale", &[], "");
        self.chart.draw_series([zone(from, known, color.mix(PALE_ZONE))])?;
        self.svg.close();
        self.svg.open("strong", &[], "");
        self.chart.draw_series([zone(known, end, color.mix(STRONG_ZONE))])?;
        self.path(&[(known, near), (end, near)], color)?;
        self.svg.close();
        Ok(())
    }

    /// A dot or a cross where an item ends.
    fn end_mark(&mut self, kind: Kind, at: (f64, f64), color: RGBColor) -> Drawn {
        self.svg.open("strong", &[], "");
        if removes(kind) {
            self.chart.draw_series([Cross::new(at, 3, color)])?;
        } else {
            self.chart.draw_series([Circle::new(at, 2, color.filled())])?;
        }
        self.svg.close();
        Ok(())
    }

    /// A triangle beyond the price of a swing, which points to it.
    fn arrow(&mut self, at: (f64, f64), side: Side, style: ShapeStyle) -> Drawn {
        if at.0 < 0.0 {
            return Ok(());
        }
        // A negative size turns the triangle.
        let (away, pixels) = if side == Side::Up { (-8, -5) } else { (8, 5) };
        let marker = EmptyElement::at(at) + TriangleMarker::new((0, away), pixels, style);
        self.chart.draw_series([marker]).map(drop)
    }
}

/// The words of an event.
fn title(name: &str, event: &Event, open_time: &dyn Fn(u64) -> Option<UtcMs>) -> String {
    let bar = |number: u64| {
        let time = open_time(number).map_or_else(|| "-".to_owned(), instant);
        format!("bar {number} ({time} UTC)")
    };
    let price = |price: i64| crate::analyze::short(event.quote(price));
    let place = match event.place {
        Place::Level(level) => price(level),
        Place::Zone { top, bottom } => format!("{} to {}", price(bottom), price(top)),
    };
    let (kind, side) = (event.kind.name(), event.type_name());
    let (at, known) = (bar(event.index), bar(event.known));
    format!("{name}: {kind}, {side}, {place}, at {at}, known at the close of {known}")
}
