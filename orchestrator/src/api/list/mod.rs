//! Pages of lists: filtered, ordered, cut, with a token for the next page. The token holds the last element's key and a
//! hash of the question, no position: what is made or deleted between two pages neither repeats nor hides the others.

mod filter;
mod token;

pub(super) use filter::Filter;
pub(super) use token::Token;

use std::collections::BTreeMap;

use windlass_proto::v1::ErrorReason;
use windlass_sagas::ids::Time;

use super::errors::Problem;
use super::limits::*;

/// What a list's request says beside its parent.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    /// The method's permission and the parent: tokens are for one list only.
    pub(super) of: String,
    pub(super) page_size: u32,
    pub(super) page_token: String,
    pub(super) filter: String,
    pub(super) order_by: String,
}

/// The list fields of a request; with `parent` where it has one.
macro_rules! ask {
    ($method:expr, $message:expr) => {
        $crate::api::list::ask!($method, $message, "")
    };
    ($method:expr, $message:expr, $parent:expr) => {
        $crate::api::list::Ask {
            of: format!("{} {}", $method, $parent),
            page_size: $message.page_size,
            page_token: $message.page_token.clone(),
            filter: $message.filter.clone(),
            order_by: $message.order_by.clone(),
        }
    };
}
pub(super) use ask;

/// One element, with what it is ordered by.
pub(super) struct Row<'a, T> {
    pub(super) created: Time,
    pub(super) name: &'a str,
    pub(super) id: [u8; 16],
    pub(super) item: &'a T,
}

/// What an element is ordered by: time or name, then id.
pub(super) type Key = (Time, String, [u8; 16]);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Created,
    Name,
}

impl Ask {
    /// How many elements the page may hold.
    pub(super) fn rows_max(&self) -> Result<usize, Problem> {
        match usize::try_from(self.page_size).unwrap_or(usize::MAX) {
            0 => Ok(PAGE_DEFAULT),
            asked if asked <= PAGE_MAX => Ok(asked),
            asked => {
                Err(Problem::field("page_size", format!("page_size is at most {PAGE_MAX}, got {asked}")))
            }
        }
    }

    /// The order, and whether it is turned round.
    fn order(&self) -> Result<(Order, bool), Problem> {
        let (field, turned) = match self.order_by.trim().split_once(' ') {
            None => (self.order_by.trim(), false),
            Some((field, "desc")) => (field, true),
            Some(_) => return Err(self.bad_order()),
        };
        match field {
            "" | "create_time" => Ok((Order::Created, turned)),
            "display_name" => Ok((Order::Name, turned)),
            _ => Err(self.bad_order()),
        }
    }

    /// A refusal of the order.
    pub(super) fn bad_order(&self) -> Problem {
        let shown: String = self.order_by.chars().take(80).collect();
        Problem::new(ErrorReason::FilterInvalid, format!("this list can't be ordered by {shown:?}"))
            .of_field("order_by")
            .hint("leave it out, or see which orders the request's comment names")
    }

    /// The filter, over these fields only.
    pub(super) fn filter(&self, known: &[&str]) -> Result<Filter, Problem> {
        Filter::parse(&self.filter, known)
    }

    /// Where the page begins; `None`: at the beginning.
    pub(super) fn after(&self) -> Result<Option<Token>, Problem> {
        if self.page_token.is_empty() {
            return Ok(None);
        }
        Token::parse(&self.page_token, self.question()).map(Some).ok_or_else(|| {
            Problem::new(ErrorReason::PageTokenInvalid, "the page token is not one of this list")
                .of_field("page_token")
                .hint("begin at the first page; only page_size may change between pages")
        })
    }

    /// The text of the token behind an element.
    pub(super) fn token(&self, last: &Key) -> String {
        Token { key: last.clone() }.text(self.question())
    }

    fn question(&self) -> [u8; 8] {
        token::question(&[&self.of, &self.filter, self.order_by.trim()])
    }
}

/// The page that `ask` asks for of these elements, and the token of the next one (empty: this is the last).
/// `fields` gives an element's values of a field that is filtered by.
pub(super) fn page<'a, T: 'a, M: prost::Message>(
    ask: &Ask,
    known: &[&str],
    rows: impl Iterator<Item = Row<'a, T>>,
    fields: impl Fn(&T, &str) -> Vec<String>,
    message: impl Fn(&T) -> M,
) -> Result<(Vec<M>, String), Problem> {
    let (order, turned) = ask.order()?;
    let filter = ask.filter(known)?;
    let rows_max = ask.rows_max()?;
    let after = ask.after()?.map(|token| token.key);
    // Only the page and one more element are kept, however many there are.
    let mut kept: BTreeMap<Key, &T> = BTreeMap::new();
    for row in rows {
        let key = match order {
            Order::Created => (row.created, String::new(), row.id),
            Order::Name => (Time(0), row.name.to_owned(), row.id),
        };
        let behind = after.as_ref().is_none_or(|after| if turned { key < *after } else { key > *after });
        if !behind || !filter.takes(|field| fields(row.item, field)) {
            continue;
        }
        kept.insert(key, row.item);
        if kept.len() > rows_max + 1 {
            if turned {
                kept.pop_first()
            } else {
                kept.pop_last()
            };
        }
    }
    let ordered: Vec<(Key, &T)> =
        if turned { kept.into_iter().rev().collect() } else { kept.into_iter().collect() };
    let (mut messages, mut bytes, mut last) = (Vec::new(), 0, None);
    for (key, item) in &ordered {
        if messages.len() == rows_max || bytes > PAGE_BYTES_MAX {
            return Ok((messages, last.map(|last| ask.token(last)).unwrap_or_default()));
        }
        let message = message(item);
        bytes += message.encoded_len();
        messages.push(message);
        last = Some(key);
    }
    Ok((messages, String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = ["d", "a", "c", "e", "b"];

    fn ask(page_size: u32, order_by: &str, filter: &str, page_token: &str) -> Ask {
        Ask {
            of: "things.list projects/blue".into(),
            page_size,
            page_token: page_token.into(),
            filter: filter.into(),
            order_by: order_by.into(),
        }
    }

    fn list(ask: &Ask) -> Result<(String, String), Problem> {
        let rows = NAMES.iter().enumerate().map(|(place, name)| Row {
            created: Time(i64::try_from(place).expect("few")),
            name,
            id: [u8::try_from(place).expect("few"); 16],
            item: name,
        });
        let fields = |name: &&str, _: &str| vec![(*name).to_owned()];
        let (names, next) = page(ask, &["display_name"], rows, fields, |name| (*name).to_owned())?;
        Ok((names.concat(), next))
    }

    fn all(page_size: u32, order_by: &str) -> String {
        let (mut names, mut token) = (String::new(), String::new());
        loop {
            let (page, next) = list(&ask(page_size, order_by, "", &token)).expect("a page");
            names.push_str(&page);
            if next.is_empty() {
                return names;
            }
            token = next;
        }
    }

    #[test]
    fn pages_of_any_size_give_the_whole_list_in_order() {
        for size in 1..7 {
            assert_eq!(all(size, ""), "daceb", "{size}");
            assert_eq!(all(size, "create_time desc"), "becad", "{size}");
            assert_eq!(all(size, "display_name"), "abcde", "{size}");
            assert_eq!(all(size, "display_name desc"), "edcba", "{size}");
        }
    }

    #[test]
    fn a_filter_narrows_the_list() {
        assert_eq!(list(&ask(0, "", "display_name=c", "")).expect("a page").0, "c");
        assert_eq!(list(&ask(0, "", "display_name!=c", "")).expect("a page").0, "daeb");
    }

    #[test]
    fn a_token_is_for_the_same_question_only() {
        let (_, token) = list(&ask(2, "", "", "")).expect("a page");
        assert!(list(&ask(3, "", "", &token)).is_ok());
        for other in [ask(2, "display_name", "", &token), ask(2, "", "display_name=a", &token)] {
            assert_eq!(list(&other).expect_err("refused").reason(), ErrorReason::PageTokenInvalid);
        }
        let reason = list(&ask(2, "", "", "nonsense")).expect_err("refused").reason();
        assert_eq!(reason, ErrorReason::PageTokenInvalid);
    }

    #[test]
    fn what_can_not_be_read_is_refused_by_its_field() {
        let reason = |ask: &Ask| list(ask).expect_err("refused").reason();
        assert_eq!(reason(&ask(1001, "", "", "")), ErrorReason::InvalidField);
        assert_eq!(reason(&ask(0, "size", "", "")), ErrorReason::FilterInvalid);
        assert_eq!(reason(&ask(0, "create_time up", "", "")), ErrorReason::FilterInvalid);
        assert_eq!(reason(&ask(0, "", "colour=blue", "")), ErrorReason::FilterInvalid);
    }
}
