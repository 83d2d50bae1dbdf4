//! A screen as a picture: one rectangle a run of background, one text a run of characters in one style.

use mcp_sentinel::ui::text;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use std::fmt::Write as _;

const CELL: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 12.0;
const GROUND: &str = "#14161b";
const TEXT: &str = "#d7dae0";

fn hex(color: Color) -> Option<&'static str> {
    Some(match color {
        Color::Black => "#14161b",
        Color::Red => "#d75f5f",
        Color::Green => "#87af6f",
        Color::Yellow => "#d7af5f",
        Color::Blue => "#6f9fd7",
        Color::Magenta => "#b48ead",
        Color::Cyan => "#6fb8c8",
        Color::Gray => "#b8bcc4",
        Color::DarkGray => "#2c313a",
        Color::LightRed => "#ef7a7a",
        Color::LightGreen => "#a3d18a",
        Color::LightYellow => "#ecc979",
        Color::LightBlue => "#8ab8ef",
        Color::LightMagenta => "#d0a8cc",
        Color::LightCyan => "#8fd3e0",
        Color::White => "#ffffff",
        _ => return None,
    })
}

pub fn draw(buffer: &Buffer) -> String {
    let (width, height) = (buffer.area.width, buffer.area.height);
    let (w, h) = (
        f64::from(width) * CELL.0 + 2.0 * MARGIN,
        f64::from(height) * CELL.1 + 2.0 * MARGIN,
    );
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w:.0}\" height=\"{h:.0}\" viewBox=\"0 0 {w:.0} {h:.0}\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\" \
         xml:space=\"preserve\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n"
    );
    for y in 0..height {
        let mut x = 0;
        while x < width {
            let (start, style) = (x, buffer[(x, y)].style());
            let mut run = String::new();
            while x < width && buffer[(x, y)].style() == style {
                let symbol = buffer[(x, y)].symbol();
                run.push_str(symbol);
                // The second cell of a wide character holds nothing of its own.
                x += u16::try_from(text::width(symbol).max(1)).unwrap();
            }
            let (left, top) = (
                MARGIN + f64::from(start) * CELL.0,
                MARGIN + f64::from(y) * CELL.1,
            );
            let columns = f64::from(x - start) * CELL.0;
            let reversed = style.add_modifier.contains(Modifier::REVERSED);
            let ground = style.bg.and_then(hex).or(reversed.then_some(TEXT));
            if let Some(ground) = ground {
                let h = CELL.1;
                writeln!(out, "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{columns:.1}\" height=\"{h}\" fill=\"{ground}\"/>")
                    .unwrap();
            }
            if run.trim().is_empty() {
                continue;
            }
            let mut attributes = format!(
                "fill=\"{}\"",
                if reversed {
                    GROUND
                } else {
                    style.fg.and_then(hex).unwrap_or(TEXT)
                }
            );
            if style.add_modifier.contains(Modifier::BOLD) {
                attributes.push_str(" font-weight=\"bold\"");
            }
            if style.add_modifier.contains(Modifier::DIM) {
                attributes.push_str(" opacity=\"0.6\"");
            }
            let (run, indent) = (run.trim_end(), run.len() - run.trim_start().len());
            let left = left + indent as f64 * CELL.0;
            let run = run.trim_start();
            let length = text::width(run) as f64 * CELL.0;
            let base = top + CELL.1 * 0.76;
            let run = run
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;");
            writeln!(
                out,
                "<text x=\"{left:.1}\" y=\"{base:.1}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\" {attributes}>{run}</text>"
            )
            .unwrap();
        }
    }
    out.push_str("</svg>\n");
    out
}
