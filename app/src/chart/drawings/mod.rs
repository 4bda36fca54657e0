//! What someone draws on a chart: levels, lines and rectangles, in times and prices, and what is done to them by hand.
//!
//! [`book`] is what is kept of a symbol, [`plane`] maps times and prices to pixels, [`grip`] says what lies under a pointer,
//! [`pen`] turns presses and moves into changes of the book, [`reading`] says what two points are apart. All of it is pure
//! and knows no browser; `chart::scene` draws it.

pub mod book;
pub mod grip;
pub mod pen;
pub mod plane;
pub mod reading;

use tidemark_market::{Bar, TimeRange, Timestamp};

pub use self::book::Book;
pub use self::pen::Pen;

/// A point of a chart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When.
    pub at: Timestamp,
    /// How high.
    pub price: f64,
}

impl Point {
    /// Whether its price can be one.
    #[must_use]
    pub fn is_sound(self) -> bool {
        is_price(self.price)
    }
}

/// Whether that can be a price.
#[must_use]
pub fn is_price(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

/// What can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A horizontal line.
    Level,
    /// A line from one point to another.
    Trend,
    /// A rectangle with two points in opposite corners.
    Rectangle,
}

impl Kind {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Level, Self::Trend, Self::Rectangle];

    /// The name in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Trend => "trend",
            Self::Rectangle => "rectangle",
        }
    }

    /// The name on the page.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Level => "Horizontal line",
            Self::Trend => "Trend line",
            Self::Rectangle => "Rectangle",
        }
    }
}

/// One drawing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// At that price.
    Level(f64),
    /// Between these points.
    Trend([Point; 2]),
    /// With these points in opposite corners.
    Rectangle([Point; 2]),
}

impl Figure {
    /// Its kind.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Level(_) => Kind::Level,
            Self::Trend(_) => Kind::Trend,
            Self::Rectangle(_) => Kind::Rectangle,
        }
    }

    /// Of that kind through these points; a level goes through the second.
    #[must_use]
    pub const fn through(kind: Kind, points: [Point; 2]) -> Self {
        match kind {
            Kind::Level => Self::Level(points[1].price),
            Kind::Trend => Self::Trend(points),
            Kind::Rectangle => Self::Rectangle(points),
        }
    }

    /// Its points; a level has none.
    #[must_use]
    pub const fn points(self) -> Option<[Point; 2]> {
        match self {
            Self::Level(_) => None,
            Self::Trend(points) | Self::Rectangle(points) => Some(points),
        }
    }

    /// Whether all of its prices can be some.
    #[must_use]
    pub fn is_sound(self) -> bool {
        match self {
            Self::Level(price) => is_price(price),
            Self::Trend(points) | Self::Rectangle(points) => points.into_iter().all(Point::is_sound),
        }
    }

    /// One of the kind that suits the bars in view, for whoever places it by numbers: at the last close, from the first
    /// close to the last, or around the last third. `None` where no bar is in view.
    #[must_use]
    pub fn usual(kind: Kind, bars: &[Bar], in_view: Option<TimeRange>) -> Option<Self> {
        let range = in_view?;
        let first = bars.partition_point(|bar| bar.ts < range.start);
        let end = bars.partition_point(|bar| bar.ts <= range.end);
        let seen = bars.get(first..end)?;
        let (oldest, newest) = (seen.first()?, seen.last()?);
        Some(match kind {
            Kind::Level => Self::Level(newest.close),
            Kind::Trend => Self::Trend([close_of(oldest), close_of(newest)]),
            Kind::Rectangle => {
                let third = &seen[seen.len() - seen.len().div_ceil(3)..];
                let low = third.iter().map(|bar| bar.low).fold(f64::MAX, f64::min);
                let high = third.iter().map(|bar| bar.high).fold(f64::MIN, f64::max);
                let start = third.first().unwrap_or(oldest).ts;
                Self::Rectangle([Point { at: start, price: low }, Point { at: newest.ts, price: high }])
            }
        })
    }
}

const fn close_of(bar: &Bar) -> Point {
    Point { at: bar.ts, price: bar.close }
}

/// All that is drawn by hand on one chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sketch {
    /// What is kept.
    pub book: Book,
    /// What is being done.
    pub pen: Pen,
}

impl Sketch {
    /// Whether there is nothing to see of it.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.book.is_empty() && self.pen.is_idle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_placed_by_numbers_lies_in_view() {
        let bar = |i: i64| Bar::new(Timestamp(i), 10.0, 12.0 + i as f64, 8.0 - i as f64 / 10.0, 11.0 + i as f64, 1.0);
        let bars: Vec<Bar> = (0..10).map(bar).collect();
        let view = TimeRange::new(Timestamp(2), Timestamp(7));
        assert_eq!(Figure::usual(Kind::Level, &bars, view), Some(Figure::Level(18.0)));
        let at = |at, price| Point { at: Timestamp(at), price };
        assert_eq!(Figure::usual(Kind::Trend, &bars, view), Some(Figure::Trend([at(2, 13.0), at(7, 18.0)])));
        assert_eq!(Figure::usual(Kind::Rectangle, &bars, view), Some(Figure::Rectangle([at(6, 7.3), at(7, 19.0)])));
        let beside = TimeRange::new(Timestamp(20), Timestamp(30));
        assert_eq!(Figure::usual(Kind::Level, &bars, beside), None);
        assert_eq!(Figure::usual(Kind::Level, &bars, None), None);
    }
}
