//! A tab's part in the browser's one event stream: what it hears in, what it does out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::series::SeriesKey;

/// How often in a row a leader may not answer before its lock is taken away.
const PATIENCE: u8 = 2;

/// What the server told of a series, as it was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    pub series: SeriesKey,
    pub kind: String,
    pub data: String,
}

/// What one tab says to all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// The tab wants news of these series and of no others.
    Wants { tab: String, series: Vec<SeriesKey> },
    /// A tab leads from now on, and has to know what all others want.
    Leads,
    /// Is there a leader?
    Asks,
    /// There is.
    Answers,
    /// The leader was told this.
    Tells(News),
    /// Whether the leader's connection stands.
    Link(bool),
}

impl Message {
    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// `None` for what another version of the page says.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// What happens to the tab.
#[derive(Clone, Debug)]
pub enum Input {
    /// Another tab said this.
    Heard(Message),
    /// This tab's charts want these series, and no others.
    Wants(Vec<SeriesKey>),
    /// This tab leads.
    Elected,
    /// It does so no more.
    Deposed,
    /// Another tab is gone.
    Gone(String),
    /// The stream told this.
    News(News),
    /// The stream is open, or not.
    Link(bool),
    /// It is time to see whether there is a leader.
    Look,
}

/// What the tab does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Says it to all others.
    Post(Message),
    /// Opens the stream of these series in place of the one that is open; none for no series.
    Open(Vec<SeriesKey>),
    /// Tells this tab's charts.
    Deliver(News),
    /// Tells this tab's charts whether there is a stream.
    Link(bool),
    /// Sees when another tab is gone.
    Watch(String),
    /// Takes the lead from a tab that does not answer.
    TakeOver,
}

/// The tab.
pub struct Tab {
    name: String,
    wants: Vec<SeriesKey>,
    role: Role,
}

enum Role {
    /// Hears from the leader; how often it has not answered.
    Follower {
        silences: u8,
    },
    Leader(Lead),
}

/// What the leader keeps.
#[derive(Default)]
struct Lead {
    /// What the other tabs want, by their names.
    others: BTreeMap<String, Vec<SeriesKey>>,
    /// Of which series the stream is.
    open: Vec<SeriesKey>,
    is_linked: bool,
    /// The newest of each kind, for tabs that come later: together they are the whole state.
    newest: Vec<News>,
}

impl Tab {
    /// A tab that no other one has heard of yet, or that is the only one there is.
    pub fn new(name: String, is_alone: bool) -> Self {
        let role = if is_alone { Role::Leader(Lead::default()) } else { Role::Follower { silences: 0 } };
        Self { name, wants: Vec::new(), role }
    }

    /// What is to be done about it, in this order.
    pub fn on(&mut self, input: Input) -> Vec<Act> {
        match input {
            Input::Wants(wants) => self.on_wants(wants),
            Input::Elected => {
                self.role = Role::Leader(Lead::default());
                let mut acts = vec![Act::Post(Message::Leads)];
                acts.extend(self.open());
                acts
            }
            Input::Deposed => {
                self.role = Role::Follower { silences: 0 };
                vec![Act::Open(Vec::new()), self.say_wants()]
            }
            Input::Look => self.look(),
            Input::Heard(message) => self.hear(message),
            Input::Gone(tab) => {
                if let Role::Leader(lead) = &mut self.role {
                    lead.others.remove(&tab);
                }
                self.open()
            }
            Input::News(news) => self.on_news(news),
            Input::Link(is_open) => self.on_link(is_open),
        }
    }

    fn on_wants(&mut self, wants: Vec<SeriesKey>) -> Vec<Act> {
        self.wants = in_order(wants);
        let Role::Leader(_) = &self.role else { return vec![self.say_wants()] };
        let mut acts = self.open();
        if let Role::Leader(lead) = &self.role {
            acts.extend(lead.is_linked.then_some(Act::Link(true)));
            acts.extend(lead.newest_of(&self.wants).map(Act::Deliver));
        }
        acts
    }

    fn hear(&mut self, message: Message) -> Vec<Act> {
        match (&mut self.role, message) {
            (Role::Leader(lead), Message::Wants { tab, series }) => {
                let is_new = lead.others.insert(tab.clone(), series.clone()).is_none();
                let mut acts: Vec<Act> = is_new.then_some(Act::Watch(tab)).into_iter().collect();
                acts.extend(self.open());
                if let Role::Leader(lead) = &self.role {
                    acts.extend(lead.is_linked.then_some(Act::Post(Message::Link(true))));
                    acts.extend(lead.newest_of(&series).map(|news| Act::Post(Message::Tells(news))));
                }
                acts
            }
            (Role::Leader(_), Message::Asks) => vec![Act::Post(Message::Answers)],
            (Role::Leader(_), _) | (Role::Follower { .. }, Message::Wants { .. } | Message::Asks) => Vec::new(),
            (Role::Follower { silences }, message) => {
                *silences = 0;
                match message {
                    Message::Leads => vec![self.say_wants()],
                    Message::Tells(news) if self.wants.contains(&news.series) => vec![Act::Deliver(news)],
                    Message::Link(is_open) => vec![Act::Link(is_open)],
                    _ => Vec::new(),
                }
            }
        }
    }

    fn look(&mut self) -> Vec<Act> {
        match &mut self.role {
            Role::Follower { silences } if *silences >= PATIENCE => {
                *silences = 0;
                vec![Act::TakeOver]
            }
            Role::Follower { silences } if !self.wants.is_empty() => {
                *silences += 1;
                vec![Act::Post(Message::Asks)]
            }
            Role::Follower { .. } | Role::Leader(_) => Vec::new(),
        }
    }

    fn on_news(&mut self, news: News) -> Vec<Act> {
        let Role::Leader(lead) = &mut self.role else { return Vec::new() };
        lead.newest.retain(|known| (&known.series, &known.kind) != (&news.series, &news.kind));
        lead.newest.push(news.clone());
        let is_mine = self.wants.contains(&news.series);
        let told = Act::Post(Message::Tells(news.clone()));
        std::iter::once(told).chain(is_mine.then_some(Act::Deliver(news))).collect()
    }

    fn on_link(&mut self, is_open: bool) -> Vec<Act> {
        let Role::Leader(lead) = &mut self.role else { return Vec::new() };
        lead.is_linked = is_open;
        vec![Act::Post(Message::Link(is_open)), Act::Link(is_open)]
    }

    fn say_wants(&self) -> Act {
        Act::Post(Message::Wants { tab: self.name.clone(), series: self.wants.clone() })
    }

    /// Opens the stream of all that is wanted, where the one that is open is of something else.
    fn open(&mut self) -> Vec<Act> {
        let Role::Leader(lead) = &mut self.role else { return Vec::new() };
        let wanted = in_order(self.wants.iter().chain(lead.others.values().flatten()).cloned().collect());
        if wanted == lead.open {
            return Vec::new();
        }
        lead.newest.retain(|news| wanted.contains(&news.series));
        lead.open.clone_from(&wanted);
        lead.is_linked = false;
        vec![Act::Open(wanted)]
    }
}

/// Each once.
fn in_order(mut series: Vec<SeriesKey>) -> Vec<SeriesKey> {
    series.sort_by_cached_key(SeriesKey::written);
    series.dedup();
    series
}

impl Lead {
    fn newest_of<'a>(&'a self, series: &'a [SeriesKey]) -> impl Iterator<Item = News> + 'a {
        self.newest.iter().filter(|news| series.contains(&news.series)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(symbol: &str) -> SeriesKey {
        SeriesKey::parse(symbol, "h1").unwrap()
    }

    fn bars(symbol: &str, revision: u32) -> News {
        News { series: series(symbol), kind: "bars".to_owned(), data: revision.to_string() }
    }

    /// A browser's tabs, and what each did that others do not hear.
    struct Browser {
        tabs: Vec<Option<Tab>>,
        done: Vec<(usize, Act)>,
    }

    impl Browser {
        /// Tabs that want a series each.
        fn with(symbols: &[&str]) -> Self {
            let tabs = (0..symbols.len()).map(|i| Some(Tab::new(i.to_string(), false))).collect();
            let mut browser = Self { tabs, done: Vec::new() };
            for (i, symbol) in symbols.iter().enumerate() {
                browser.on(i, Input::Wants(vec![series(symbol)]));
            }
            browser
        }

        fn on(&mut self, tab: usize, input: Input) {
            let mut inputs = vec![(tab, input)];
            while let Some((tab, input)) = inputs.pop() {
                let Some(acts) = self.tabs[tab].as_mut().map(|tab| tab.on(input)) else { continue };
                for act in acts {
                    match act {
                        Act::Post(message) => {
                            let others = (0..self.tabs.len()).filter(|other| *other != tab);
                            inputs.splice(0..0, others.map(|other| (other, Input::Heard(message.clone()))));
                        }
                        act => self.done.push((tab, act)),
                    }
                }
            }
        }

        fn done(&mut self) -> Vec<(usize, Act)> {
            std::mem::take(&mut self.done)
        }

        fn opened(&mut self) -> Vec<(usize, Vec<SeriesKey>)> {
            let opened = |(tab, act)| match act {
                Act::Open(series) => Some((tab, series)),
                _ => None,
            };
            self.done().into_iter().filter_map(opened).collect()
        }
    }

    #[test]
    fn one_tab_holds_the_stream_of_what_all_want() {
        let mut browser = Browser::with(&["AAPL", "MSFT", "AAPL"]);
        assert_eq!(browser.opened(), [], "nobody leads yet");
        browser.on(1, Input::Elected);
        let opened = browser.opened();
        assert!(opened.iter().all(|(tab, _)| *tab == 1), "{opened:?}");
        assert_eq!(opened.last().unwrap().1, [series("AAPL"), series("MSFT")]);

        browser.on(1, Input::Link(true));
        let all = |act: Act| (0..3).map(|tab| (tab, act.clone())).collect::<Vec<_>>();
        let mut done = browser.done();
        done.sort_by_key(|(tab, _)| *tab);
        assert_eq!(done, all(Act::Link(true)));
        browser.on(1, Input::News(bars("AAPL", 7)));
        let mut done = browser.done();
        done.sort_by_key(|(tab, _)| *tab);
        assert_eq!(done, [(0, Act::Deliver(bars("AAPL", 7))), (2, Act::Deliver(bars("AAPL", 7)))]);
    }

    #[test]
    fn a_chart_that_comes_later_is_told_the_state_and_opens_nothing_anew() {
        let mut browser = Browser::with(&["AAPL", "AAPL"]);
        browser.on(0, Input::Elected);
        browser.on(0, Input::Link(true));
        for revision in 1..4 {
            browser.on(0, Input::News(bars("AAPL", revision)));
        }
        browser.tabs.push(Some(Tab::new("2".to_owned(), false)));
        browser.done();
        browser.on(2, Input::Wants(vec![series("AAPL")]));
        let done = browser.done();
        assert!(done.contains(&(2, Act::Link(true))) && done.contains(&(2, Act::Deliver(bars("AAPL", 3)))), "{done:?}");
        assert!(!done.iter().any(|(_, act)| matches!(act, Act::Open(_))), "{done:?}");
        assert!(done.contains(&(0, Act::Watch("2".to_owned()))), "the leader will see it go");
    }

    #[test]
    fn what_nobody_wants_any_more_is_not_asked_for() {
        let mut browser = Browser::with(&["AAPL", "MSFT"]);
        browser.on(0, Input::Elected);
        browser.done();
        browser.tabs[1] = None;
        browser.on(0, Input::Gone("1".to_owned()));
        assert_eq!(browser.opened(), [(0, vec![series("AAPL")])]);
        browser.on(0, Input::Wants(Vec::new()));
        assert_eq!(browser.opened(), [(0, Vec::new())]);
    }

    #[test]
    fn another_tab_takes_over_when_the_leader_is_gone() {
        let mut browser = Browser::with(&["AAPL", "MSFT", "SPY"]);
        browser.on(0, Input::Elected);
        browser.tabs[0] = None;
        browser.done();
        browser.on(2, Input::Elected);
        assert_eq!(browser.opened().last().unwrap(), &(2, vec![series("MSFT"), series("SPY")]));
    }

    #[test]
    fn a_leader_that_does_not_answer_is_deposed() {
        let mut browser = Browser::with(&["AAPL", "MSFT"]);
        browser.on(0, Input::Elected);
        browser.done();
        for _ in 0..10 {
            browser.on(1, Input::Look);
        }
        assert_eq!(browser.done(), [], "it answers");
        let frozen = browser.tabs[0].take();
        for _ in 0..3 {
            browser.on(1, Input::Look);
        }
        assert_eq!(browser.done(), [(1, Act::TakeOver)]);
        browser.on(1, Input::Elected);
        assert_eq!(browser.opened(), [(1, vec![series("MSFT")])]);
        browser.tabs[0] = frozen;
        browser.on(0, Input::Deposed);
        let opened = browser.opened();
        assert_eq!(opened[0], (0, Vec::new()), "it closes its own");
        assert_eq!(opened[1], (1, vec![series("AAPL"), series("MSFT")]));
    }

    #[test]
    fn a_tab_on_its_own_has_its_own_stream() {
        let mut tab = Tab::new("0".to_owned(), true);
        assert_eq!(tab.on(Input::Wants(vec![series("AAPL")])), [Act::Open(vec![series("AAPL")])]);
        assert!(tab.on(Input::Link(true)).contains(&Act::Link(true)));
        assert!(tab.on(Input::News(bars("AAPL", 1))).contains(&Act::Deliver(bars("AAPL", 1))));
        assert_eq!(tab.on(Input::Look), []);
    }

    #[test]
    fn what_is_said_is_read_again() {
        let said = [
            Message::Wants { tab: "a-1".to_owned(), series: vec![series("X:BTCUSD")] },
            Message::Tells(bars("AAPL", 2)),
            Message::Link(true),
        ];
        for message in said {
            assert_eq!(Message::read(&message.write()), Some(message));
        }
        assert_eq!(Message::read("{\"Shouts\":1}"), None);
    }
}
