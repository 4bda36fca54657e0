//! The browser's own parts, as typed functions: storage, IndexedDB, ECharts, `Intl`, performance marks,
//! keys, pointers, files, popovers.
//!
//! Everything here compiles for the server too, and is called from effects and tasks alone, which never run there.
//! Nothing here knows a component or a store.

pub mod bar_cache;
pub mod channel;
pub mod echarts;
pub mod files;
pub mod keyboard;
pub mod locks;
pub mod marks;
pub mod motion;
pub mod page;
pub mod pointer;
pub mod popover;
pub mod quota;
pub mod storage;
pub mod theme;
pub mod time_text;
