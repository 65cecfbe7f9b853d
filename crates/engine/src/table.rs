//! The plain routes: which method and path gets which program next.
//!
//! Python compiles and Rust looks up. A route's counters live here, because both sides answer for it: Python takes a
//! turn of the same counters when a request was handed off.

use std::collections::HashMap;
use std::sync::Arc;

use crate::program::Program;

/// What comes when the answers of a route are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The last one again.
    Repeat,
    /// From the first again.
    Cycle,
    /// An error, which Python explains.
    Error,
}

/// What of a request changes the bytes of its answer: bits for HEAD, a connection that is kept, HTTP/1.0.
pub type Form = u8;

/// The state of a route.
pub struct Route {
    then: Then,
    answers: usize,
    /// How many requests it answered.
    pub calls: u64,
    /// How many of its answers were used.
    pub position: u64,
    forms: Vec<(Form, Vec<Arc<Program>>)>,
}

impl Route {
    fn next(&self, form: Form) -> Option<(usize, Arc<Program>)> {
        let position = usize::try_from(self.position).ok()?;
        let index = match self.then {
            _ if position < self.answers => position,
            Then::Repeat => self.answers.checked_sub(1)?,
            Then::Cycle => position.checked_rem(self.answers)?,
            Then::Error => return None,
        };
        let (_, programs) = self.forms.iter().find(|(known, _)| *known == form)?;
        Some((index, Arc::clone(programs.get(index)?)))
    }
}

/// A method and path that a route answers.
#[derive(Clone, Copy)]
struct Entry {
    number: u32,
    route: u32,
}

/// What a plain request gets.
pub struct Turn {
    /// The entry's number, by which Python knows method, path and route.
    pub entry: u32,
    /// Which of the route's answers.
    pub answer: u32,
    /// What is to be done.
    pub program: Arc<Program>,
}

/// All plain routes of a server.
#[derive(Default)]
pub struct Table {
    entries: HashMap<Box<[u8]>, Entry>,
    routes: Vec<Option<Route>>,
    // Numbers of routes that have ended, to be given again.
    ended: Vec<u32>,
}

impl Table {
    /// Return what `METHOD path` gets, counting it; `None` if Python must be asked.
    pub fn turn(&mut self, key: &[u8], form: Form) -> Option<Turn> {
        let entry = *self.entries.get(key)?;
        let route = self.routes.get_mut(entry.route as usize)?.as_mut()?;
        let (index, program) = route.next(form)?;
        route.calls += 1;
        route.position += 1;
        Some(Turn {
            entry: entry.number,
            answer: u32::try_from(index).ok()?,
            program,
        })
    }

    /// Add a route and return its number.
    pub fn add_route(&mut self, answers: usize, then: Then, calls: u64, position: u64) -> u32 {
        let route = Some(Route {
            then,
            answers,
            calls,
            position,
            forms: Vec::new(),
        });
        if let Some(number) = self.ended.pop() {
            self.routes[number as usize] = route;
            return number;
        }
        self.routes.push(route);
        u32::try_from(self.routes.len() - 1).unwrap_or(u32::MAX)
    }

    /// Take out a route for good: no key may lead to it any more, and its number is given again.
    pub fn end_route(&mut self, number: u32) -> Option<Route> {
        let route = self.routes.get_mut(number as usize)?.take();
        if route.is_some() {
            self.ended.push(number);
        }
        route
    }

    /// Return how many routes there are, those of before a reset included.
    #[must_use]
    pub fn route_count(&self) -> usize {
        self.routes.len() - self.ended.len()
    }

    /// Return the state of a route.
    pub fn route(&mut self, number: u32) -> Option<&mut Route> {
        self.routes.get_mut(number as usize)?.as_mut()
    }

    /// Give a route the program of its next answer in one form; false if there is no such route.
    pub fn add_program(&mut self, route: u32, form: Form, program: Arc<Program>) -> bool {
        let Some(route) = self.route(route) else {
            return false;
        };
        match route.forms.iter_mut().find(|(known, _)| *known == form) {
            Some((_, programs)) => programs.push(program),
            None => route.forms.push((form, vec![program])),
        }
        true
    }

    /// Let a route answer `METHOD path`.
    pub fn add_entry(&mut self, number: u32, route: u32, key: &[u8]) {
        self.entries.insert(key.into(), Entry { number, route });
    }

    /// Let Python answer `METHOD path` from now on.
    pub fn forget(&mut self, key: &[u8]) {
        self.entries.remove(key);
    }

    /// Let Python answer everything from now on; the counters stay.
    pub fn forget_all(&mut self) -> HashMap<impl Send + use<>, impl Send + use<>> {
        std::mem::take(&mut self.entries)
    }

    /// Drop the programs of all routes as well: they belong to the time before a reset.
    pub fn retire_routes(&mut self) -> Vec<impl Send + use<>> {
        self.routes
            .iter_mut()
            .flatten()
            .filter(|route| !route.forms.is_empty())
            .map(|route| std::mem::take(&mut route.forms))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(then: Then) -> Table {
        let mut table = Table::default();
        let route = table.add_route(2, then, 0, 0);
        for text in [&b"\x01\x01\0\0\0a"[..], b"\x01\x01\0\0\0b"] {
            table.add_program(route, 2, Program::parse(text).unwrap());
        }
        table.add_entry(7, route, b"GET /a");
        table
    }

    fn answers(table: &mut Table, count: usize) -> Vec<Option<u32>> {
        (0..count)
            .map(|_| table.turn(b"GET /a", 2).map(|turn| turn.answer))
            .collect()
    }

    #[test]
    fn the_end_of_a_sequence_is_as_asked_for() {
        assert_eq!(
            answers(&mut table(Then::Repeat), 4),
            [Some(0), Some(1), Some(1), Some(1)]
        );
        assert_eq!(
            answers(&mut table(Then::Cycle), 4),
            [Some(0), Some(1), Some(0), Some(1)]
        );
        assert_eq!(
            answers(&mut table(Then::Error), 4),
            [Some(0), Some(1), None, None]
        );
    }

    #[test]
    fn only_what_is_answered_here_is_counted_here() {
        let mut table = table(Then::Repeat);

        assert!(table.turn(b"GET /b", 2).is_none());
        assert!(table.turn(b"GET /a", 1).is_none());

        assert_eq!(
            table.route(0).map(|route| (route.calls, route.position)),
            Some((0, 0))
        );
    }

    #[test]
    fn what_is_forgotten_is_asked_of_python_and_keeps_its_count() {
        let mut table = table(Then::Repeat);
        answers(&mut table, 1);

        table.forget(b"GET /a");

        assert_eq!(answers(&mut table, 1), [None]);
        assert_eq!(table.route(0).map(|route| route.calls), Some(1));
    }

    #[test]
    fn the_programs_of_a_route_that_ends_live_as_long_as_answers_under_way() {
        let mut table = table(Then::Repeat);
        let turn = table.turn(b"GET /a", 2).unwrap();
        table.forget(b"GET /a");

        drop(table.end_route(0));

        assert_eq!(Arc::strong_count(&turn.program), 1);
        assert!(table.end_route(0).is_none() && table.route(0).is_none());
        assert_eq!(table.route_count(), 0);
        assert_eq!(table.add_route(1, Then::Repeat, 0, 0), 0);
    }
}
