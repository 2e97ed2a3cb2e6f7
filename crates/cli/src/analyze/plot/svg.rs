//! Writes what the chart library draws as SVG, in groups with titles and attributes.
//!
//! The library's own SVG backend has neither groups nor titles. A group tells what a shape means,
//! and a viewer shows its title.

use super::colors;
use everwarm_domain::clean::is_hidden;
use plotters::prelude::DrawingBackend;
use plotters::style::{Color as _, text_anchor};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind, FontStyle,
};
use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::rc::Rc;

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// A picture that grows. Clones write into the same picture.
#[derive(Clone, Debug)]
pub(super) struct Svg {
    size: (u32, u32),
    text: Rc<RefCell<String>>,
}

impl Svg {
    /// An empty picture with a title for viewers and screen readers.
    pub(super) fn new(size: (u32, u32), title: &str) -> Svg {
        let ((width, height), title, sheet) = (size, escaped(title), colors::dark());
        let paper = colors::hex(colors::paper().to_backend_color().rgb.into());
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"system-ui, sans-serif\" \
             fill=\"none\">\n<title>{title}</title>\n<style>{sheet}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"{paper}\"/>\n"
        );
        Svg { size, text: Rc::new(RefCell::new(text)) }
    }

    /// Begins a group. What is drawn until [`Svg::close`] belongs to it.
    pub(super) fn open(&self, class: &str, attributes: &[(&str, &str)], title: &str) {
        let mut text = format!("<g class=\"{class}\"");
        for (name, value) in attributes {
            write!(text, " {name}=\"{}\"", escaped(value)).expect("a text takes everything");
        }
        text.push('>');
        if !title.is_empty() {
            write!(text, "<title>{}</title>", escaped(title)).expect("a text takes everything");
        }
        self.push(&text);
    }

    /// Ends the newest group.
    pub(super) fn close(&self) {
        self.push("</g>\n");
    }

    /// Defines a region for the attribute `clip-path` of a group.
    pub(super) fn clip(&self, id: &str, from: BackendCoord, to: BackendCoord) {
        let ((x, y), (right, bottom)) = (from, to);
        let (width, height) = (right - x, bottom - y);
        self.push(&format!(
            "<clipPath id=\"{id}\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" \
             height=\"{height}\"/></clipPath>\n"
        ));
    }

    /// The whole picture.
    pub(super) fn finish(&self) -> String {
        let mut text = self.text.borrow().clone();
        text.push_str("</svg>\n");
        text
    }

    fn push(&self, text: &str) {
        self.text.borrow_mut().push_str(text);
    }

    /// An empty element. Transparent ones are not written.
    fn element(&self, start: &str, paint: &str, color: BackendColor) {
        if color.alpha > 0.0 {
            let (paint, opacity) = (format!(" {paint}=\"{}\"", hex(color)), opacity(color));
            self.push(&format!("<{start}{paint}{opacity}/>"));
        }
    }
}

fn hex(color: BackendColor) -> String {
    colors::hex(color.rgb.into())
}

fn opacity(color: BackendColor) -> String {
    if color.alpha < 1.0 { format!(" opacity=\"{}\"", color.alpha) } else { String::new() }
}

/// The attribute of a line that is not one pixel wide.
fn width(style: &impl BackendStyle) -> String {
    let width = style.stroke_width();
    if width == 1 { String::new() } else { format!(" stroke-width=\"{width}\"") }
}

/// The commands of a path.
fn commands(points: impl IntoIterator<Item = BackendCoord>) -> String {
    let mut path = String::new();
    for (at, (x, y)) in points.into_iter().enumerate() {
        let command = if at == 0 { 'M' } else { 'L' };
        write!(path, "{command}{x} {y}").expect("a text takes everything");
    }
    path
}

impl DrawingBackend for Svg {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        self.draw_rect((x, y), (x + 1, y + 1), &color, true)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        if from != to {
            // Through the middle of pixels, so that a thin line is sharp.
            let ((x, y), (right, bottom)) = (from, to);
            let start = format!("path d=\"M{x}.5 {y}.5L{right}.5 {bottom}.5\"{}", width(style));
            self.element(&start, "stroke", style.color());
        }
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        // A flat rectangle is a line: it must not vanish.
        let (wide, high) = ((right - left).abs().max(1), (bottom - top).abs().max(1));
        let (left, top) = (left.min(right), top.min(bottom));
        let start = format!("rect x=\"{left}\" y=\"{top}\" width=\"{wide}\" height=\"{high}\"");
        let (start, paint) = if fill { (start, "fill") } else { (start + &width(style), "stroke") };
        self.element(&start, paint, style.color());
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let start = format!("path d=\"{}\"{}", commands(path), width(style));
        self.element(&start, "stroke", style.color());
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let start = format!("circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"");
        let (start, paint) = if fill { (start, "fill") } else { (start + &width(style), "stroke") };
        self.element(&start, paint, style.color());
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        vert: I,
        style: &S,
    ) -> Drawn {
        self.element(&format!("path d=\"{}Z\"", commands(vert)), "fill", style.color());
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Drawn {
        let anchor = match style.anchor().h_pos {
            text_anchor::HPos::Left => "",
            text_anchor::HPos::Center => " text-anchor=\"middle\"",
            text_anchor::HPos::Right => " text-anchor=\"end\"",
        };
        let down = match style.anchor().v_pos {
            text_anchor::VPos::Top => " dy=\".8em\"",
            text_anchor::VPos::Center => " dy=\".35em\"",
            text_anchor::VPos::Bottom => " dy=\"-.25em\"",
        };
        let weight = match style.style() {
            FontStyle::Bold => " font-weight=\"600\"",
            FontStyle::Normal | FontStyle::Oblique | FontStyle::Italic => "",
        };
        let (size, fill) = (style.size(), hex(style.color()));
        let text = escaped(text);
        self.push(&format!(
            "<text x=\"{x}\" y=\"{y}\"{anchor}{down}{weight} font-size=\"{size}\" \
             fill=\"{fill}\">{text}</text>\n"
        ));
        Ok(())
    }
}

/// A text as XML shows it. Characters that XML forbids or a reader cannot see become `\u{fffd}`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if is_hidden(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_place() {
        assert_eq!(escaped("a<b>&\"c\""), "a&lt;b&gt;&amp;&quot;c&quot;");
        assert_eq!(escaped("a\u{1}\u{202e}\u{ffff}"), "a\u{fffd}\u{fffd}\u{fffd}");
    }
}
