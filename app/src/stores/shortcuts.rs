//! Which keys do what: parts of the page register theirs, and one dialogue lists them all.

use leptos::prelude::*;

use super::settings::Settings;
use crate::browser::keyboard;

/// One shortcut.
#[derive(Clone, Debug)]
pub struct Shortcut {
    /// Any of these keys, named as [`keyboard::on_key`] does.
    pub keys: &'static [&'static str],
    /// Under which heading it is listed.
    pub group: &'static str,
    /// What it does, as an imperative.
    pub label: &'static str,
    act: Callback<()>,
    id: u32,
}

/// The registry, from the page's context.
#[derive(Clone, Copy)]
pub struct Shortcuts {
    list: RwSignal<Vec<Shortcut>>,
    next: StoredValue<u32>,
}

impl Shortcuts {
    /// Makes the registry of the page that calls, and listens for keys while the settings allow it.
    pub fn provide(settings: Settings) -> Self {
        let shortcuts = Self { list: RwSignal::new(Vec::new()), next: StoredValue::new(0) };
        provide_context(shortcuts);
        Effect::new(move || {
            if settings.shortcuts().get().is_on() {
                keyboard::on_key(move |key| shortcuts.press(key));
            }
        });
        shortcuts
    }

    /// Registers a shortcut for as long as the caller's part of the page is there. Of two for one key the younger acts.
    pub fn add(self, group: &'static str, keys: &'static [&'static str], label: &'static str, act: Callback<()>) {
        let id = self.next.try_update_value(|next| {
            *next += 1;
            *next
        });
        let id = id.unwrap_or_default();
        self.list.update(|list| list.push(Shortcut { keys, group, label, act, id }));
        on_cleanup(move || {
            // The whole page may be going.
            let _ = self.list.try_update(|list| list.retain(|shortcut| shortcut.id != id));
        });
    }

    /// All of them by heading, headings and shortcuts in the order of their registration.
    #[must_use]
    pub fn groups(self) -> Vec<(&'static str, Vec<Shortcut>)> {
        let mut groups: Vec<(&'static str, Vec<Shortcut>)> = Vec::new();
        for shortcut in self.list.get() {
            match groups.iter_mut().find(|(name, _)| *name == shortcut.group) {
                Some((_, members)) => members.push(shortcut),
                None => groups.push((shortcut.group, vec![shortcut])),
            }
        }
        groups
    }

    fn press(self, key: &str) -> bool {
        let act = self.list.with_untracked(|list| {
            list.iter().rev().find(|shortcut| shortcut.keys.contains(&key)).map(|shortcut| shortcut.act)
        });
        act.inspect(|act| act.run(())).is_some()
    }
}

/// The page's registry.
#[must_use]
pub fn use_shortcuts() -> Shortcuts {
    expect_context()
}

/// A key as it is printed on keyboards: `Shift+ArrowLeft` as `Shift`, `←`.
#[must_use]
pub fn caps(key: &str) -> Vec<String> {
    let (held, last) = match key.rsplit_once('+') {
        // The plus key itself.
        Some((held, "")) => (held.strip_suffix('+').unwrap_or(""), "+"),
        Some((held, last)) => (held, last),
        None => ("", key),
    };
    let printed = match last {
        "ArrowLeft" => "←",
        "ArrowRight" => "→",
        "ArrowUp" => "↑",
        "ArrowDown" => "↓",
        "Escape" => "Esc",
        "PageUp" => "Page ↑",
        "PageDown" => "Page ↓",
        " " => "Space",
        other => other,
    };
    let printed = if printed.len() == 1 { printed.to_uppercase() } else { printed.to_owned() };
    held.split('+').filter(|modifier| !modifier.is_empty()).map(str::to_owned).chain([printed]).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn keys_are_shown_as_keyboards_print_them() {
        assert_eq!(caps("?"), ["?"]);
        assert_eq!(caps("t"), ["T"]);
        assert_eq!(caps("Shift+ArrowLeft"), ["Shift", "←"]);
        assert_eq!(caps("Ctrl+Alt+k"), ["Ctrl", "Alt", "K"]);
        assert_eq!((caps("+"), caps("Ctrl++")), (vec!["+".to_owned()], vec!["Ctrl".to_owned(), "+".to_owned()]));
    }

    #[test]
    fn a_key_acts_while_its_part_of_the_page_is_there() {
        let page = Owner::new();
        page.set();
        let shortcuts = Shortcuts { list: RwSignal::new(Vec::new()), next: StoredValue::new(0) };
        let count = Arc::new(AtomicU32::new(0));
        let adds = |by: u32| {
            let count = Arc::clone(&count);
            Callback::new(move |()| {
                count.fetch_add(by, Ordering::Relaxed);
            })
        };
        shortcuts.add("Chart", &["r", "Home"], "Reset", adds(1));
        let part = page.child();
        part.with(|| shortcuts.add("Drawing", &["r"], "Rectangle", adds(10)));
        assert!(shortcuts.press("Home") && shortcuts.press("r") && !shortcuts.press("x"));
        assert_eq!(count.load(Ordering::Relaxed), 11, "the younger acts");
        assert_eq!(
            shortcuts.groups().iter().map(|(name, all)| (*name, all.len())).collect::<Vec<_>>(),
            [("Chart", 1), ("Drawing", 1)]
        );
        part.cleanup();
        assert!(shortcuts.press("r"));
        assert_eq!(count.load(Ordering::Relaxed), 12);
    }
}
