//! Paper: shapes and text as SVG, with everything escaped that is not ours.

use std::fmt::{Display, Write as _};

/// An SVG while it is drawn.
#[derive(Default)]
pub(super) struct Paper(String);

impl Paper {
    /// Opens a group of a class, whose title a browser shows under the pointer; `events` are the places of what it draws.
    pub(super) fn group(&mut self, class: &str, title: &str, events: &[(u64, u32)]) {
        let places: Vec<String> =
            events.iter().map(|(position, ordinal)| format!("{position}.{ordinal}")).collect();
        let data =
            if places.is_empty() { String::new() } else { format!(" data-events=\"{}\"", places.join(" ")) };
        self.line(format_args!("<g class=\"{class}\"{data}>"));
        if !title.is_empty() {
            self.line(format_args!("<title>{}</title>", escaped(title)));
        }
    }

    /// Ends a group.
    pub(super) fn end(&mut self) {
        self.line("</g>");
    }

    pub(super) fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), round: f64) {
        let (x, y, width, height) = (n(x), n(y), n(width), n(height));
        self.line(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{}\"/>",
            n(round)
        ));
    }

    pub(super) fn path(&mut self, class: &str, d: &str) {
        self.line(format_args!("<path class=\"{class}\" d=\"{d}\"/>"));
    }

    pub(super) fn rule(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.path(class, &format!("M{} {}L{} {}", n(x1), n(y1), n(x2), n(y2)));
    }

    pub(super) fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        let (x, y, radius) = (n(x), n(y), n(radius));
        self.line(format_args!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>"));
    }

    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        self.line(format_args!(
            "<text class=\"{class}\" x=\"{}\" y=\"{}\">{}</text>",
            n(x),
            n(y),
            escaped(text)
        ));
    }

    /// Adds a line that is whole and escaped already.
    pub(super) fn line(&mut self, line: impl Display) {
        // A string takes everything.
        writeln!(self.0, "{line}").ok();
    }

    pub(super) fn done(self) -> String {
        self.0
    }
}

/// A number, to a tenth, without what says nothing.
pub(super) fn n(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// A text as it stands in XML: what would be markup is not, and what XML can't hold is left out.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(' '),
            '\u{fffe}' | '\u{ffff}' => {}
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}

/// About how wide a text is at a size, in the fonts that are asked for.
pub(super) fn width(text: &str, size: f64) -> f64 {
    f64::from(u32::try_from(text.chars().count()).unwrap_or(u32::MAX)) * size * 0.56
}

/// A text that fits, with an ellipsis where something was cut.
pub(super) fn fit(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    for letter in text.chars() {
        if width(&out, size) + 2.0 * size * 0.56 > room {
            break;
        }
        out.push(letter);
    }
    format!("{}…", out.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(escaped("<a b='c'>&\"\u{1b}\u{0}\n"), "&lt;a b=&#39;c&#39;&gt;&amp;&quot; ");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(fit("short", 10.0, 100.0), "short");
        assert_eq!(fit("much too long for it", 10.0, 60.0), "much too…");
    }
}
