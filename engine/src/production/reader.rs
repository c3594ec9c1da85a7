//! Reads a TOML file of a production and says of everything that is wrong in it where it stands.
//!
//! A reader of a table is asked key by key. It notes what is not as it should be and goes on, so that one run finds
//! everything; what nobody asked for is a key that does not exist.

use std::cell::RefCell;
use std::sync::Arc;

use toml_edit::{Document, Item, Key, Table, TableLike, Value};

use super::place::{Place, Problem, Said, nearest};

/// A file that is being read.
#[derive(Debug)]
pub(super) struct Source {
    file: Arc<str>,
    /// Where each line begins.
    lines: Vec<usize>,
    document: Document<String>,
}

/// What was found wrong so far.
pub(super) type Problems = RefCell<Vec<Problem>>;

impl Source {
    /// Parses a file. `None` where it is no TOML, which is noted.
    pub(super) fn parse(file: &str, text: &str, problems: &Problems) -> Option<Self> {
        let lines: Vec<usize> =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let file: Arc<str> = file.into();
        match Document::parse(text.to_owned()) {
            Ok(document) => Some(Self { file, lines, document }),
            Err(error) => {
                let line = line_of(&lines, error.span().map_or(0, |span| span.start));
                let what = error.message().lines().collect::<Vec<_>>().join(", ");
                let place = Place { file, line };
                problems.borrow_mut().push(Problem { place, what, hint: None });
                None
            }
        }
    }

    /// Reads its outermost table.
    pub(super) fn reader<'a>(&'a self, problems: &'a Problems) -> Reader<'a> {
        Reader::new(self, self.document.as_table(), "", Place::whole(&self.file), problems)
    }

    fn place(&self, at: usize) -> Place {
        Place { file: self.file.clone(), line: line_of(&self.lines, at) }
    }
}

/// The line, from 1, that holds a byte.
fn line_of(lines: &[usize], at: usize) -> u32 {
    u32::try_from(lines.partition_point(|begin| *begin <= at)).unwrap_or(u32::MAX)
}

/// Reads a table key by key.
pub(super) struct Reader<'a> {
    source: &'a Source,
    table: &'a dyn TableLike,
    /// How people would call the table: empty for the whole file.
    name: String,
    place: Place,
    asked: RefCell<Vec<&'static str>>,
    problems: &'a Problems,
}

/// What a value may be.
enum Found<'a> {
    Value(&'a Value),
    Table(&'a dyn TableLike),
    Tables(Vec<&'a Table>),
}

impl<'a> Reader<'a> {
    fn new(
        source: &'a Source,
        table: &'a dyn TableLike,
        name: &str,
        place: Place,
        problems: &'a Problems,
    ) -> Self {
        Self { source, table, name: name.to_owned(), place, asked: RefCell::default(), problems }
    }

    /// Where the table stands.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Notes that something here is wrong.
    pub(super) fn wrong(&self, place: &Place, what: impl Into<String>, hint: Option<String>) {
        let problem = Problem { place: place.clone(), what: what.into(), hint };
        self.problems.borrow_mut().push(problem);
    }

    /// A text.
    pub(super) fn text(&self, key: &'static str) -> Option<Said<String>> {
        self.read(key, "a text in quotes", |value| value.as_str().map(ToOwned::to_owned))
    }

    /// Whether a key is there and holds a text.
    pub(super) fn has_text(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(Item::is_str)
    }

    /// A text that becomes something.
    pub(super) fn parsed<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Said<T>> {
        let Said { value, place } = self.text(key)?;
        match parse(&value) {
            Ok(value) => Some(Said { value, place }),
            Err(what) => {
                self.wrong(&place, format!("{}: {what}", self.path(key)), None);
                None
            }
        }
    }

    /// A text or a number as it would be typed, that becomes something.
    pub(super) fn typed<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Said<T>> {
        let as_typed = |value: &Value| match value {
            Value::String(text) => Some(text.value().clone()),
            Value::Integer(number) => Some(number.value().to_string()),
            Value::Float(number) => Some(number.value().to_string()),
            _ => None,
        };
        let Said { value, place } = self.read(key, "a text or a number", as_typed)?;
        match parse(&value) {
            Ok(value) => Some(Said { value, place }),
            Err(what) => {
                self.wrong(&place, format!("{}: {what}", self.path(key)), None);
                None
            }
        }
    }

    /// A whole number.
    pub(super) fn whole(
        &self,
        key: &'static str,
        least: i64,
        most: i64,
        expected: &'static str,
    ) -> Option<Said<i64>> {
        let fits = |number: &i64| (least..=most).contains(number);
        self.read(key, expected, |value| value.as_integer().filter(fits))
    }

    /// A number, with or without a point.
    pub(super) fn number(&self, key: &'static str) -> Option<Said<f64>> {
        let number = |value: &Value| value.as_float().or(value.as_integer().map(|n| n as f64));
        self.read(key, "a number", |value| number(value).filter(|number| number.is_finite()))
    }

    /// Yes or no.
    pub(super) fn is(&self, key: &'static str) -> Option<Said<bool>> {
        self.read(key, "true or false", Value::as_bool)
    }

    /// Two whole numbers, as `[1280, 720]`.
    pub(super) fn pair(&self, key: &'static str, expected: &'static str) -> Option<Said<[u32; 2]>> {
        self.read(key, expected, |value| {
            let array = value.as_array().filter(|array| array.len() == 2)?;
            let number = |at| u32::try_from(array.get(at).and_then(Value::as_integer)?).ok();
            Some([number(0)?, number(1)?])
        })
    }

    /// Texts, each with its place.
    pub(super) fn texts(&self, key: &'static str) -> Vec<Said<String>> {
        let expected = "a list of texts";
        let Some((_, values)) = self.array(key, expected) else { return Vec::new() };
        let text = |value: &Value| match value.as_str() {
            Some(text) => Some(Said { value: text.to_owned(), place: self.place_of(value) }),
            None => {
                self.mistaken(key, &self.place_of(value), expected, value.type_name());
                None
            }
        };
        values.into_iter().filter_map(text).collect()
    }

    /// A table.
    pub(super) fn table(&self, key: &'static str) -> Option<Reader<'a>> {
        match self.find(key)? {
            (place, Found::Table(table)) => {
                Some(Reader::new(self.source, table, &self.path(key), place, self.problems))
            }
            (place, _) => {
                self.mistaken(key, &place, "a table", "something else");
                None
            }
        }
    }

    /// Tables with names of people's choice: `[character.mina]`.
    pub(super) fn named(&self, key: &'static str) -> Vec<(Said<String>, Reader<'a>)> {
        self.table(key).map_or_else(Vec::new, |table| table.all_tables())
    }

    /// Every table in this one, whatever its name.
    pub(super) fn all_tables(&self) -> Vec<(Said<String>, Reader<'a>)> {
        let mut tables = Vec::new();
        for (name, item) in self.table.iter() {
            let place = self.place_of_key(name, item);
            let path = format!("{}.{name}", self.name);
            match found(item) {
                Some(Found::Table(table)) => {
                    let value = Said { value: name.to_owned(), place: place.clone() };
                    let reader = Reader::new(self.source, table, &path, place, self.problems);
                    tables.push((value, reader));
                }
                _ => self.wrong(&place, format!("{path}: expected a table"), None),
            }
        }
        tables
    }

    /// Lists of tables with names of people's choice: `adapters = { "wan2.2" = [{ … }] }`.
    pub(super) fn named_lists(&self, key: &'static str) -> Vec<(Said<String>, Vec<Reader<'a>>)> {
        let Some(table) = self.table(key) else { return Vec::new() };
        let mut lists = Vec::new();
        for (name, item) in table.table.iter() {
            let place = self.place_of_key(name, item);
            let path = format!("{}.{name}", table.name);
            let elements = table.elements(item, &path, &place);
            lists.push((Said { value: name.to_owned(), place }, elements));
        }
        lists
    }

    /// A list of tables: `[[scene]]`, or `[{ … }, { … }]`.
    pub(super) fn list(&self, key: &'static str) -> Vec<Reader<'a>> {
        self.asked.borrow_mut().push(key);
        let Some(item) = self.table.get(key) else { return Vec::new() };
        let place = self.place_of_key(key, item);
        self.elements(item, &self.path(key), &place)
    }

    /// A list of which each element is a text or a table.
    pub(super) fn texts_or_tables(
        &self,
        key: &'static str,
    ) -> Vec<Result<Said<String>, Reader<'a>>> {
        let expected = "a list of texts and tables";
        if let Some(Item::ArrayOfTables(_)) = self.table.get(key) {
            return self.list(key).into_iter().map(Err).collect();
        }
        let Some((_, values)) = self.array(key, expected) else { return Vec::new() };
        let mut elements = Vec::new();
        for value in values {
            let place = self.place_of(value);
            match value {
                Value::String(text) => {
                    elements.push(Ok(Said { value: text.value().clone(), place }));
                }
                Value::InlineTable(table) => elements.push(Err(Reader::new(
                    self.source,
                    table,
                    &self.path(key),
                    place,
                    self.problems,
                ))),
                other => self.mistaken(key, &place, expected, other.type_name()),
            }
        }
        elements
    }

    /// Ends the reading: whatever was not asked for is a key that does not exist.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        for (key, item) in self.table.iter().filter(|(key, _)| !asked.contains(key)) {
            let hint = match nearest(key, asked.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let mut known = asked.clone();
                    known.sort_unstable();
                    format!("known here: {}", known.join(", "))
                }
            };
            let place = self.place_of_key(key, item);
            let scope =
                if self.name.is_empty() { String::new() } else { format!(" in {}", self.name) };
            self.wrong(&place, format!("unknown key `{key}`{scope}"), Some(hint));
        }
    }

    fn elements(&self, item: &'a Item, path: &str, place: &Place) -> Vec<Reader<'a>> {
        let reader = |table, place| Reader::new(self.source, table, path, place, self.problems);
        match found(item) {
            Some(Found::Tables(tables)) => tables
                .into_iter()
                .map(|table| reader(table as &dyn TableLike, self.place_at(table.span())))
                .collect(),
            Some(Found::Value(Value::Array(array))) => {
                let mut elements = Vec::new();
                for value in array {
                    match value {
                        Value::InlineTable(table) => {
                            elements.push(reader(table, self.place_of(value)))
                        }
                        _ => {
                            let what = format!("{path}: expected a list of tables");
                            self.wrong(&self.place_of(value), what, None);
                        }
                    }
                }
                elements
            }
            _ => {
                self.wrong(place, format!("{path}: expected a list of tables"), None);
                Vec::new()
            }
        }
    }

    fn array(&self, key: &'static str, expected: &'static str) -> Option<(Place, Vec<&'a Value>)> {
        match self.find(key)? {
            (place, Found::Value(Value::Array(array))) => Some((place, array.iter().collect())),
            (place, found) => {
                let found =
                    if let Found::Value(value) = found { value.type_name() } else { "table" };
                self.mistaken(key, &place, expected, found);
                None
            }
        }
    }

    fn read<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        turn: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<Said<T>> {
        let (place, found) = self.find(key)?;
        let Found::Value(value) = found else {
            self.mistaken(key, &place, expected, "table");
            return None;
        };
        match turn(value) {
            Some(value) => Some(Said { value, place }),
            None => {
                let shown = value.clone().decorated("", "").to_string();
                let shown: String = shown.chars().take(60).collect();
                self.mistaken(key, &place, expected, &shown);
                None
            }
        }
    }

    fn find(&self, key: &'static str) -> Option<(Place, Found<'a>)> {
        self.asked.borrow_mut().push(key);
        let item = self.table.get(key)?;
        Some((self.place_of_key(key, item), found(item)?))
    }

    fn mistaken(&self, key: &str, place: &Place, expected: &str, found: &str) {
        let what = format!("{}: expected {expected}, found {found}", self.path(key));
        self.wrong(place, what, None);
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn place_of_key(&self, key: &str, item: &Item) -> Place {
        let key = self.table.get_key_value(key).map(|(key, _)| key).and_then(Key::span);
        self.place_at(key.or_else(|| item.span()))
    }

    fn place_of(&self, value: &Value) -> Place {
        self.place_at(value.span())
    }

    fn place_at(&self, span: Option<std::ops::Range<usize>>) -> Place {
        span.map_or_else(|| self.place.clone(), |span| self.source.place(span.start))
    }
}

fn found(item: &Item) -> Option<Found<'_>> {
    match item {
        Item::None => None,
        Item::Value(Value::InlineTable(table)) => Some(Found::Table(table)),
        Item::Value(value) => Some(Found::Value(value)),
        Item::Table(table) => Some(Found::Table(table)),
        Item::ArrayOfTables(tables) => Some(Found::Tables(tables.iter().collect())),
    }
}
