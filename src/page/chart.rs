//! The frame that all panels of a timeline have in common: one axis of seconds, and the faults and
//! recoveries across it.

use maud::Markup;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{
    Cartesian2d, PathElement, Rectangle, SVGBackend, ShapeStyle, Text, TextStyle,
};
use plotters::series::DashedLineSeries;
use plotters::style::text_anchor::HPos;

use super::ink::{Drawn, Ink, svg, width_of};
use super::words::shortened;

/// The width of every panel, in the units of its drawing: two are about a pixel.
pub(super) const WIDTH: u32 = 1920;
/// Where the axis begins; what is left of it has room for names.
pub(super) const LEFT: i32 = 190;
/// Where the axis ends, from the right.
const RIGHT: u32 = 90;
/// How wide the axis is.
pub(super) const AXIS: u32 = WIDTH - LEFT.unsigned_abs() - RIGHT;
/// The room for the seconds below a panel.
const BELOW: u32 = 44;
/// The room above a panel.
const ABOVE: u32 = 8;
/// The height of a lane.
pub(super) const LANE: u32 = 48;
/// No text comes nearer to the edge.
const EDGE: i32 = 8;
/// The height of a line of text.
const TEXT_HEIGHT: i32 = 32;
/// How much of its lane a bar fills.
const BAR: (f64, f64) = (0.12, 0.88);
/// How many characters of a name fit left of the axis.
const LONGEST_NAME: usize = 13;

/// A panel's plot.
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// What all panels share.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frame {
    /// Where the axis ends, in seconds; more than nothing, and finite.
    pub(super) end: f64,
    /// When faults began.
    pub(super) faults: Vec<f64>,
    /// When streams were whole again.
    pub(super) recovered: Vec<f64>,
}

/// What is left and below of a panel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// Lanes, numbered from the top.
    Lanes(usize),
    /// A figure from nothing to this.
    Figure { top: f64, height: u32 },
}

impl Frame {
    /// Draws a panel.
    pub(super) fn panel(
        &self,
        scale: Scale,
        label: &str,
        draw: impl FnOnce(&mut Panel<'_, '_, '_>) -> Drawn,
    ) -> Markup {
        let (height, top) = match scale {
            Scale::Lanes(lanes) => {
                let lanes = u32::try_from(lanes.max(1)).unwrap_or(u32::MAX);
                (LANE.saturating_mul(lanes), f64::from(lanes))
            }
            Scale::Figure { top, height } => (height, if top > 0.0 { top } else { 1.0 }),
        };
        let size = (WIDTH, height.saturating_add(ABOVE + BELOW));
        svg(size, label, |canvas| {
            let vertical = match scale {
                Scale::Lanes(_) => top..0.0,
                Scale::Figure { .. } => 0.0..top,
            };
            let mut chart = ChartBuilder::on(canvas)
                .margin_top(ABOVE)
                .margin_right(RIGHT)
                .x_label_area_size(BELOW)
                .y_label_area_size(LEFT.unsigned_abs())
                .build_cartesian_2d(0.0..self.end, vertical)?;
            // What is counted has no halves.
            let number = |figure: &f64| match figure.fract() == 0.0 {
                true => format!("{figure:.0}"),
                false => String::new(),
            };
            let time = |seconds: &f64| axis_seconds(*seconds);
            let mut mesh = chart.configure_mesh();
            mesh.x_labels(12)
                .x_label_formatter(&time)
                .y_label_formatter(&number)
                .label_style(Ink::Quiet.text(HPos::Center))
                .axis_style(Ink::Grid.line(2))
                .bold_line_style(Ink::Grid.line(1))
                .max_light_lines(0)
                .set_all_tick_mark_size(8);
            if let Scale::Lanes(_) = scale {
                mesh.y_labels(0).disable_y_axis();
            } else {
                mesh.y_labels(4);
            }
            mesh.draw()?;
            let mut panel = Panel {
                chart: &mut chart,
                texts: Vec::new(),
            };
            draw(&mut panel)?;
            let texts = panel.texts;
            self.marks(&mut chart, top)?;
            texts.iter().try_for_each(|text| text.draw(&chart))
        })
    }

    /// Faults as lines, recoveries as dashed ones.
    fn marks(&self, chart: &mut Chart<'_, '_>, top: f64) -> Drawn {
        for at in &self.faults {
            let line = PathElement::new([(*at, 0.0), (*at, top)], Ink::Bad.line(3));
            chart.draw_series([line])?;
        }
        for at in &self.recovered {
            let line = [(*at, 0.0), (*at, top)];
            let dashed = DashedLineSeries::new(line, 10, 8, Ink::Good.line(3));
            chart.draw_series(dashed)?;
        }
        Ok(())
    }
}

/// Seconds below the axis.
fn axis_seconds(seconds: f64) -> String {
    if (seconds - seconds.round()).abs() < 1e-6 {
        format!("{seconds:.0} s")
    } else {
        format!("{seconds:.2} s")
    }
}

/// Where a lane begins.
pub(super) fn lane_top(lane: usize) -> f64 {
    u32::try_from(lane).map_or(f64::MAX, f64::from)
}

/// A panel while it is drawn.
pub(super) struct Panel<'c, 'a, 'b> {
    pub(super) chart: &'c mut Chart<'a, 'b>,
    texts: Vec<Written>,
}

/// A text, which is written after all that must not cover it.
struct Written {
    text: String,
    at: (i32, i32),
    style: TextStyle<'static>,
    is_on_plate: bool,
}

impl Panel<'_, '_, '_> {
    /// Draws a rectangle from one corner to the other.
    pub(super) fn fill(&mut self, corners: [(f64, f64); 2], style: ShapeStyle) -> Drawn {
        self.chart.draw_series([Rectangle::new(corners, style)])?;
        Ok(())
    }

    /// Draws a bar in a lane.
    pub(super) fn bar(&mut self, lane: usize, from: f64, to: f64, ink: Ink) -> Drawn {
        let top = lane_top(lane);
        self.fill([(from, top + BAR.0), (to, top + BAR.1)], ink.fill())
    }

    /// Where something is on the canvas.
    pub(super) fn place(&self, at: (f64, f64)) -> (i32, i32) {
        self.chart.backend_coord(&at)
    }

    /// The name of a lane, left of the axis.
    pub(super) fn name_lane(&mut self, lane: usize, name: &str) {
        let (x, y) = self.place((0.0, lane_top(lane) + 0.5));
        let style = Ink::Text.text(HPos::Right);
        self.write(&shortened(name, LONGEST_NAME), (x - 14, y), style);
    }

    /// Writes at a place on the canvas, which may be left or right of the panel.
    pub(super) fn write(&mut self, text: &str, at: (i32, i32), style: TextStyle<'static>) {
        self.texts.push(Written {
            text: text.to_owned(),
            at,
            style,
            is_on_plate: false,
        });
    }

    /// The same on a plate, where what is behind it is hatched, or of any colour.
    pub(super) fn write_on_plate(&mut self, text: &str, at: (i32, i32)) {
        self.write(text, at, Ink::Text.text(HPos::Left));
        if let Some(written) = self.texts.last_mut() {
            written.is_on_plate = true;
        }
    }
}

impl Written {
    fn draw(&self, chart: &Chart<'_, '_>) -> Drawn {
        let area = chart.plotting_area().strip_coord_spec();
        let (base_x, base_y) = area.get_base_pixel();
        let corner = |x: i32, y: i32| (x - base_x, y - base_y);
        let (mut x, y) = self.at;
        let wide = width_of(&self.text);
        // What would go beyond the edge ends there.
        if matches!(self.style.pos.h_pos, HPos::Left) {
            x = x.min(WIDTH.cast_signed() - EDGE - wide).max(0);
        }
        if self.is_on_plate {
            let half = TEXT_HEIGHT / 2;
            let plate = [corner(x - 4, y - half), corner(x + 6 + wide, y + half)];
            area.draw(&Rectangle::new(plate, Ink::Surface.fill()))?;
        }
        let text = Text::new(self.text.clone(), corner(x, y), self.style.clone());
        area.draw(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_range_is_too_odd_to_be_drawn() {
        for end in [1e-3, 1.0, 1e7] {
            let frame = Frame {
                end,
                faults: vec![0.0, end, end * 2.0],
                recovered: vec![end / 2.0],
            };
            for top in [0.0, 1.0, 1e19] {
                let scale = Scale::Figure { top, height: 100 };
                let drawn = frame.panel(scale, "figure", |_| Ok(())).into_string();
                assert!(drawn.contains("<svg"), "{drawn}");
            }
            let drawn = frame.panel(Scale::Lanes(0), "lanes", |panel| {
                panel.name_lane(0, "");
                panel.bar(0, end, end, Ink::Good)
            });
            assert!(drawn.into_string().contains(" s\n"));
        }
    }
}
