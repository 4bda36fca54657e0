//! The server's events, over one connection for all tabs of this browser.
//!
//! Browsers open few connections to a server, so the tabs elect one of them by a Web Lock ([`tab`]): it holds the
//! stream of all series that any tab wants, and passes on what it is told over a BroadcastChannel. When it is closed the
//! lock falls to another one; when it is frozen, a visible tab that gets no sign of life takes the lock away. Nothing is
//! missed in between, since a stream begins with the whole state of each series. Where a browser has no locks or
//! channels, each tab has a stream of its own.

mod source;
mod tab;

use std::cell::RefCell;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::{Either, Fuse, LocalBoxFuture, select};
use futures::{FutureExt, StreamExt, select};
use gloo_timers::future::TimeoutFuture;
use leptos::logging::warn;
use leptos::server_fn::client::get_server_url;
use leptos::task::spawn_local;
use tidemark_market::{Forming, SeriesProgress};

use self::source::read_event;
use self::tab::{Act, Input, Message, Tab};
use crate::browser::channel::Channel;
use crate::browser::locks::{self, Ask};
use crate::browser::page;
use crate::series::SeriesKey;

const CHANNEL: &str = "tidemark-events";
const LEADER: &str = "tidemark-events";
/// How often a tab that someone looks at makes sure that there is a leader.
const LOOK_MS: u32 = 2_000;

/// What the stream tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The connection is there.
    Opened,
    /// It is gone, for now or for good.
    Lost,
    /// How far the series is.
    Progress(SeriesProgress),
    /// Bars or coverage are at this revision.
    Bars(u64),
    /// The bar under way moved.
    Forming(Forming),
}

/// The news of one series for as long as it is kept.
pub struct Feed {
    /// In their order.
    pub events: UnboundedReceiver<Event>,
    number: u64,
}

/// Listens to a series: its whole state at first, then what changes.
#[must_use]
pub fn follow(series: &SeriesKey) -> Feed {
    let (sender, events) = unbounded();
    let number = with_desk(|desk| {
        desk.count += 1;
        desk.subscribers.push(Subscriber { number: desk.count, series: series.clone(), sender });
        desk.say_wants();
        desk.count
    });
    Feed { events, number }
}

impl Drop for Feed {
    fn drop(&mut self) {
        with_desk(|desk| {
            desk.subscribers.retain(|subscriber| subscriber.number != self.number);
            desk.say_wants();
        });
    }
}

struct Subscriber {
    number: u64,
    series: SeriesKey,
    sender: UnboundedSender<Event>,
}

/// Who listens in this tab, and where its wishes go.
struct Desk {
    count: u64,
    subscribers: Vec<Subscriber>,
    inputs: UnboundedSender<Input>,
}

impl Desk {
    fn say_wants(&self) {
        let wants = self.subscribers.iter().map(|subscriber| subscriber.series.clone()).collect();
        // The tab's task ends with the page alone.
        let _ = self.inputs.unbounded_send(Input::Wants(wants));
    }

    fn tell(&self, event: &Event, is_for: impl Fn(&SeriesKey) -> bool) {
        for subscriber in self.subscribers.iter().filter(|subscriber| is_for(&subscriber.series)) {
            // One that is just going needs no news.
            let _ = subscriber.sender.unbounded_send(event.clone());
        }
    }
}

fn with_desk<T>(work: impl FnOnce(&mut Desk) -> T) -> T {
    thread_local! {
        static DESK: RefCell<Option<Desk>> = const { RefCell::new(None) };
    }
    DESK.with_borrow_mut(|desk| {
        work(desk.get_or_insert_with(|| {
            let (inputs, received) = unbounded();
            spawn_local(serve(inputs.clone(), received));
            Desk { count: 0, subscribers: Vec::new(), inputs }
        }))
    })
}

/// Does what the tab's part in the election asks for, for as long as the page lives.
async fn serve(inputs: UnboundedSender<Input>, mut received: UnboundedReceiver<Input>) {
    let mut office = Office::open(inputs.clone()).await;
    let mut tab = Tab::new(office.name.clone(), office.channel.is_none());
    loop {
        let input = select! {
            input = received.next() => input,
            () = &mut office.stream => None,
            () = &mut office.errands => None,
        };
        let Some(input) = input else { continue };
        for act in tab.on(input) {
            office.act(act);
        }
    }
}

/// What the tab does things with.
struct Office {
    name: String,
    channel: Option<Channel>,
    inputs: UnboundedSender<Input>,
    take_over: UnboundedSender<()>,
    stream: Fuse<LocalBoxFuture<'static, ()>>,
    /// Takes part in the election, and looks after the leader.
    errands: Fuse<LocalBoxFuture<'static, ()>>,
    /// Held while this tab lives, by which the leader knows.
    _life: Option<locks::Lock>,
}

impl Office {
    async fn open(inputs: UnboundedSender<Input>) -> Self {
        let name = page::random_name();
        let hears = inputs.clone();
        let hear = move |text: String| match Message::read(&text) {
            Some(message) => drop(hears.unbounded_send(Input::Heard(message))),
            None => warn!("Another tab speaks another version of this page. Reload both."),
        };
        let channel = if locks::are_there() { Channel::join(CHANNEL, hear) } else { None };
        let life = match &channel {
            Some(_) => locks::take(&life_of(&name), Ask::InTurn).await,
            None => None,
        };
        let (take_over, taken_over) = unbounded();
        let errands = match &channel {
            Some(_) => select_both(stand_for_election(inputs.clone(), taken_over), look_after(inputs.clone())),
            None => Fuse::terminated(),
        };
        Self { name, channel, inputs, take_over, stream: Fuse::terminated(), errands, _life: life }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Post(message) => {
                if let Some(channel) = &self.channel {
                    channel.post(&message.write());
                }
            }
            Act::Open(series) if series.is_empty() => self.stream = Fuse::terminated(),
            Act::Open(series) => {
                let url = format!("{}{}", get_server_url(), SeriesKey::events_path(&series));
                self.stream = source::follow(url, page::poll_ms(), self.inputs.clone()).boxed_local().fuse();
            }
            Act::Deliver(news) => {
                if let Some(event) = read_event(&news) {
                    with_desk(|desk| desk.tell(&event, |series| *series == news.series));
                }
            }
            Act::Link(is_open) => {
                let event = if is_open { Event::Opened } else { Event::Lost };
                with_desk(|desk| desk.tell(&event, |_| true));
            }
            Act::Watch(tab) => {
                let inputs = self.inputs.clone();
                spawn_local(async move {
                    // Granted once the tab is gone.
                    drop(locks::take(&life_of(&tab), Ask::InTurn).await);
                    let _ = inputs.unbounded_send(Input::Gone(tab));
                });
            }
            Act::TakeOver => drop(self.take_over.unbounded_send(())),
        }
    }
}

fn life_of(tab: &str) -> String {
    format!("tidemark-tab-{tab}")
}

fn select_both(
    one: impl Future<Output = ()> + 'static,
    other: impl Future<Output = ()> + 'static,
) -> Fuse<LocalBoxFuture<'static, ()>> {
    futures::future::join(one, other).map(drop).boxed_local().fuse()
}

/// Waits to be the leader, and to be it no more, again and again.
async fn stand_for_election(inputs: UnboundedSender<Input>, mut taken_over: UnboundedReceiver<()>) {
    let mut ask = Ask::InTurn;
    loop {
        let waiting = std::pin::pin!(locks::take(LEADER, ask));
        ask = match select(waiting, taken_over.next()).await {
            Either::Left((Some(mut lock), _)) => {
                let _ = inputs.unbounded_send(Input::Elected);
                lock.lost().await;
                let _ = inputs.unbounded_send(Input::Deposed);
                Ask::InTurn
            }
            // No lock was to be had, as when another tab took it away at the same moment.
            Either::Left((None, _)) => {
                TimeoutFuture::new(LOOK_MS).await;
                Ask::InTurn
            }
            Either::Right(_) => Ask::AtOnce,
        };
    }
}

/// A hidden tab's timers are slow, and nobody waits for it.
async fn look_after(inputs: UnboundedSender<Input>) {
    loop {
        TimeoutFuture::new(LOOK_MS).await;
        if page::is_visible() {
            let _ = inputs.unbounded_send(Input::Look);
        }
    }
}
