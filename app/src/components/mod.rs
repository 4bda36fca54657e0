//! Components: data and callbacks in, view out. They fetch nothing themselves; where a part is all about
//! one store (the watchlist, the search, the settings), it is handed that store.
//!
//! Each ends in `into_any()`: unerased, the page's type would be too deep for the compiler.

pub mod banner;
pub mod bar_table;
pub mod cache_settings;
pub mod chart;
pub mod compare;
pub mod dialogue;
pub mod drawings;
pub mod first_paint;
pub mod header;
pub mod icon_button;
pub mod indicators;
pub mod lack_note;
pub mod legend;
pub mod oldest;
pub mod pager;
pub mod pointed;
pub mod quality;
pub mod settings;
pub mod shortcuts;
pub mod shown;
pub mod sidebar;
pub mod skip_link;
pub mod status_line;
pub mod strip;
pub mod symbol_search;
pub mod timeframes;
pub mod toolbar;
pub mod vacancy;
pub mod watchlist;
