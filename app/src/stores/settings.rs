//! What someone prefers, kept in this browser.

use leptos::prelude::*;

use crate::browser::{storage, theme};

/// A setting with a few values, each of which has a name in storage and one on the page.
pub trait Choice: Copy + PartialEq + Default + Send + Sync + 'static {
    /// Where it is kept.
    const KEY: &'static str;
    /// All values, in the order in which they are offered.
    const ALL: &'static [Self];

    /// The name in storage.
    fn as_str(self) -> &'static str;

    /// The name on the page.
    fn label(self) -> &'static str;

    /// What was stored; the default where it is none of the values.
    #[must_use]
    fn stored() -> Self {
        let text = storage::read(Self::KEY);
        Self::ALL.iter().copied().find(|choice| text.as_deref() == Some(choice.as_str())).unwrap_or_default()
    }
}

/// Dark or light.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system wishes.
    #[default]
    System,
    /// Light on dark.
    Dark,
    /// Dark on light.
    Light,
}

impl Choice for Theme {
    const KEY: &'static str = theme::KEY;
    const ALL: &'static [Self] = &[Self::System, Self::Dark, Self::Light];

    fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Dark => "dark",
            Self::Light => "light",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::System => "Like the system",
            Self::Dark => "Dark",
            Self::Light => "Light",
        }
    }
}

/// By whose clock times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The exchange's: New York's for equities and currencies, UTC for crypto.
    #[default]
    Exchange,
    /// UTC.
    Utc,
    /// The reader's.
    Local,
}

impl Choice for Clock {
    const KEY: &'static str = "tidemark:clock";
    const ALL: &'static [Self] = &[Self::Exchange, Self::Utc, Self::Local];

    fn as_str(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Utc => "utc",
            Self::Local => "local",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Exchange => "The exchange's",
            Self::Utc => "UTC",
            Self::Local => "Yours",
        }
    }
}

/// Whether single keys act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// They do.
    #[default]
    On,
    /// They do not: someone's other tools send such keys.
    Off,
}

impl Switch {
    /// Whether they do.
    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

impl Choice for Switch {
    const KEY: &'static str = "tidemark:shortcuts";
    const ALL: &'static [Self] = &[Self::On, Self::Off];

    fn as_str(self) -> &'static str {
        if self.is_on() { "on" } else { "off" }
    }

    fn label(self) -> &'static str {
        if self.is_on() { "On" } else { "Off" }
    }
}

/// The settings, from the page's context. Their defaults at first, so that server and browser render the same.
#[derive(Clone, Copy)]
pub struct Settings {
    theme: RwSignal<Theme>,
    clock: RwSignal<Clock>,
    shortcuts: RwSignal<Switch>,
}

impl Settings {
    /// Makes the settings of the page that calls, and reads what is stored.
    pub fn provide() -> Self {
        let settings = Self { theme: RwSignal::default(), clock: RwSignal::default(), shortcuts: RwSignal::default() };
        provide_context(settings);
        Effect::new(move || {
            // The document's head has put the theme in force.
            settings.theme.set(Theme::stored());
            settings.clock.set(Clock::stored());
            settings.shortcuts.set(Switch::stored());
        });
        settings
    }

    /// Dark or light.
    #[must_use]
    pub fn theme(self) -> Signal<Theme> {
        self.theme.into()
    }

    /// By whose clock times are written where the address does not say.
    #[must_use]
    pub fn clock(self) -> Signal<Clock> {
        self.clock.into()
    }

    /// Whether single keys act.
    #[must_use]
    pub fn shortcuts(self) -> Signal<Switch> {
        self.shortcuts.into()
    }

    /// Puts a theme in force, now and on the next visit.
    pub fn set_theme(self, choice: Theme) {
        keep(self.theme, choice);
        theme::apply((choice != Theme::System).then_some(choice.as_str()));
    }

    /// Chooses a clock.
    pub fn set_clock(self, choice: Clock) {
        keep(self.clock, choice);
    }

    /// Switches single keys on or off.
    pub fn set_shortcuts(self, choice: Switch) {
        keep(self.shortcuts, choice);
    }
}

/// The page's settings.
#[must_use]
pub fn use_settings() -> Settings {
    expect_context()
}

fn keep<C: Choice>(signal: RwSignal<C>, choice: C) {
    signal.set(choice);
    storage::write(C::KEY, choice.as_str());
}
