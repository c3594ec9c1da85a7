//! State dicts as `torch.save` writes them (`.pth`): a zip archive with a pickle that describes tensors, and one
//! member of raw data for each storage.
//!
//! A pickle is a program. Ours is not run: a small machine knows the instructions that state dicts are made of and a
//! fixed list of names, builds plain values, and refuses every other instruction or name, by name. It can neither call
//! nor import anything. Values live in one flat list, so no input can nest deep enough to exhaust the stack.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::file::{Entry, size_bytes};
use super::zip;
use super::{ArchiveFault, StoredDtype};

/// The longest pickle that is read; that of a state dict of a thousand tensors takes a quarter of a megabyte.
const PICKLE_LIMIT_BYTES: usize = 4 << 20;

/// The most items of a tuple that is looked into, so that a pickle which uses one long tuple many times takes no more
/// time than its own length asks for.
const SHORT: usize = 16;

/// What is wrong with a `.pth` file, or not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PickleFault {
    /// The archive around the pickle is damaged.
    #[error(transparent)]
    Archive(#[from] ArchiveFault),
    /// The archive does not hold one pickle of one state dict.
    #[error("the archive should hold one data.pkl, found {found}")]
    NoPickle {
        /// The number of pickles found.
        found: usize,
    },
    /// The tensors were written on a machine of the other byte order.
    #[error("byte order {found:?} is not supported, expected \"little\"")]
    ByteOrder {
        /// What the archive says.
        found: String,
    },
    /// The pickle is longer than that of any state dict.
    #[error("the pickle has {found_bytes} bytes, more than {limit_bytes}")]
    TooLong {
        /// Its length.
        found_bytes: usize,
        /// The most that is read.
        limit_bytes: usize,
    },
    /// The pickle ends within an instruction or without a result.
    #[error("the pickle ends too early")]
    Truncated,
    /// Another version of the format.
    #[error("pickle protocol {found}, expected 2")]
    Protocol {
        /// The version.
        found: u8,
    },
    /// An instruction that no state dict needs.
    #[error("pickle instruction {found} at byte {at} is not allowed in a state dict")]
    Opcode {
        /// Its name, or its number where it has none.
        found: String,
        /// Its position.
        at: usize,
    },
    /// A name that no state dict needs. It is neither imported nor called.
    #[error("pickle names {found}, which is not allowed in a state dict")]
    Global {
        /// Module and name.
        found: String,
    },
    /// An instruction finds other values than it needs.
    #[error("pickle instruction at byte {at}: expected {expected}")]
    Operand {
        /// Its position.
        at: usize,
        /// What it needs.
        expected: &'static str,
    },
    /// The result is not a dictionary.
    #[error("the pickle holds {found}, expected a dictionary of tensors")]
    Root {
        /// What it is.
        found: &'static str,
    },
    /// A key of the dictionary is not a name.
    #[error("the state dict has {found} for a key, expected a name")]
    Key {
        /// What it is.
        found: &'static str,
    },
    /// A value of the dictionary is not a tensor.
    #[error("the state dict holds {found} under {name}, expected a tensor")]
    Value {
        /// The key.
        name: String,
        /// What it is.
        found: &'static str,
    },
    /// One name is given twice.
    #[error("tensor {tensor} is listed twice")]
    Duplicate {
        /// The name.
        tensor: String,
    },
    /// The archive lacks the data of a tensor.
    #[error("tensor {tensor}: the archive has no storage {storage:?}")]
    NoStorage {
        /// The tensor.
        tensor: String,
        /// The name of the storage.
        storage: String,
    },
    /// The data of a tensor has another length than the pickle says.
    #[error(
        "tensor {tensor}: storage {storage:?} should have {expected_bytes:?} bytes, found {found_bytes}"
    )]
    StorageSize {
        /// The tensor.
        tensor: String,
        /// The name of the storage.
        storage: String,
        /// The length that the pickle says, where it can be counted.
        expected_bytes: Option<usize>,
        /// The length of the archive's member.
        found_bytes: usize,
    },
    /// A dimension is zero.
    #[error("tensor {tensor}: shape {shape:?} holds no elements")]
    NoElements {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// The elements are not in row order.
    #[error("tensor {tensor}: strides {strides:?} of shape {shape:?} are not contiguous")]
    Strides {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Its strides, in elements.
        strides: Vec<usize>,
    },
    /// The tensor ends after its storage.
    #[error(
        "tensor {tensor}: shape {shape:?} at element {offset} does not fit storage {storage:?}"
    )]
    OutOfRange {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Its first element in the storage.
        offset: usize,
        /// The name of the storage.
        storage: String,
    },
}

/// Reads and checks the state dict of a whole file; ranges count from the start of the file.
pub(super) fn entries(file: &[u8]) -> Result<BTreeMap<String, Entry>, PickleFault> {
    let members = zip::members(file)?;
    let mut pickles = members.iter().filter_map(|(name, range)| {
        let folder = name.strip_suffix("data.pkl")?;
        (folder.is_empty() || folder.ends_with('/')).then_some((folder, range))
    });
    let (folder, pickle) = match (pickles.next(), pickles.count()) {
        (Some(pickle), 0) => pickle,
        (first, others) => {
            return Err(PickleFault::NoPickle { found: usize::from(first.is_some()) + others });
        }
    };
    if let Some(range) = members.get(&format!("{folder}byteorder")) {
        let found = &file[range.clone()];
        if found != b"little" {
            let found = String::from_utf8_lossy(&found[..found.len().min(16)]).into_owned();
            return Err(PickleFault::ByteOrder { found });
        }
    }
    if pickle.len() > PICKLE_LIMIT_BYTES {
        return Err(PickleFault::TooLong {
            found_bytes: pickle.len(),
            limit_bytes: PICKLE_LIMIT_BYTES,
        });
    }
    let mut machine = Machine::new(&file[pickle.clone()]);
    let root = machine.run()?;
    let Some(Object::Dict(items)) = machine.object(root) else {
        return Err(PickleFault::Root { found: machine.kind(root) });
    };
    let storage = |key: &str| members.get(&format!("{folder}data/{key}")).cloned();
    let mut entries = BTreeMap::new();
    for &(key, value) in items {
        let Value::Text(tensor) = key else {
            return Err(PickleFault::Key { found: machine.kind(key) });
        };
        let Some(Object::Tensor(stored)) = machine.object(value) else {
            return Err(PickleFault::Value { name: tensor.to_owned(), found: machine.kind(value) });
        };
        let entry = stored.entry(tensor, storage(stored.storage.key))?;
        if entries.insert(tensor.to_owned(), entry).is_some() {
            return Err(PickleFault::Duplicate { tensor: tensor.to_owned() });
        }
    }
    Ok(entries)
}

/// A storage as the pickle describes it.
#[derive(Clone, Copy)]
struct Storage<'a> {
    dtype: StoredDtype,
    key: &'a str,
    elements: usize,
}

/// A tensor as the pickle describes it.
struct StoredTensor<'a> {
    storage: Storage<'a>,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl StoredTensor<'_> {
    /// Holds the description against the archive's member.
    fn entry(&self, tensor: &str, member: Option<Range<usize>>) -> Result<Entry, PickleFault> {
        let Storage { dtype, key, elements } = self.storage;
        let (tensor, storage) = (tensor.to_owned(), key.to_owned());
        let Some(member) = member else {
            return Err(PickleFault::NoStorage { tensor, storage });
        };
        let expected_bytes = elements.checked_mul(dtype.size_bytes());
        if expected_bytes != Some(member.len()) {
            let found_bytes = member.len();
            return Err(PickleFault::StorageSize { tensor, storage, expected_bytes, found_bytes });
        }
        let shape = self.shape.clone();
        if shape.contains(&0) {
            return Err(PickleFault::NoElements { tensor, shape });
        }
        if !self.is_contiguous() {
            return Err(PickleFault::Strides { tensor, shape, strides: self.strides.clone() });
        }
        let begin = self.offset.checked_mul(dtype.size_bytes());
        let begin = begin.and_then(|offset| member.start.checked_add(offset));
        let range = begin.and_then(|begin| {
            let end = begin.checked_add(size_bytes(dtype, &shape)?)?;
            (end <= member.end).then_some(begin..end)
        });
        match range {
            Some(range) => Ok(Entry { dtype, shape, range }),
            None => Err(PickleFault::OutOfRange { tensor, shape, offset: self.offset, storage }),
        }
    }

    fn is_contiguous(&self) -> bool {
        let mut row = Some(1usize);
        let dims = self.shape.iter().zip(&self.strides).rev();
        self.shape.len() == self.strides.len()
            && dims.into_iter().all(|(&dim, &stride)| {
                let fits = dim == 1 || row == Some(stride);
                row = row.and_then(|row| row.checked_mul(dim));
                fits
            })
    }
}

/// A value on the machine's stack.
#[derive(Clone, Copy)]
enum Value<'a> {
    None,
    Bool,
    Int(i64),
    Text(&'a str),
    Global(Global),
    /// An index into the machine's objects.
    Object(usize),
}

/// What larger values are.
enum Object<'a> {
    Tuple(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    Storage(Storage<'a>),
    Tensor(StoredTensor<'a>),
}

/// The names that a state dict may use.
#[derive(Clone, Copy)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(StoredDtype),
}

const GLOBALS: [(&str, Global); 13] = [
    ("collections.OrderedDict", Global::OrderedDict),
    ("torch._utils._rebuild_tensor_v2", Global::RebuildTensor),
    ("torch._utils._rebuild_parameter", Global::RebuildParameter),
    ("torch.DoubleStorage", Global::Storage(StoredDtype::F64)),
    ("torch.FloatStorage", Global::Storage(StoredDtype::F32)),
    ("torch.HalfStorage", Global::Storage(StoredDtype::F16)),
    ("torch.BFloat16Storage", Global::Storage(StoredDtype::BF16)),
    ("torch.LongStorage", Global::Storage(StoredDtype::I64)),
    ("torch.IntStorage", Global::Storage(StoredDtype::I32)),
    ("torch.ShortStorage", Global::Storage(StoredDtype::I16)),
    ("torch.CharStorage", Global::Storage(StoredDtype::I8)),
    ("torch.ByteStorage", Global::Storage(StoredDtype::U8)),
    ("torch.BoolStorage", Global::Storage(StoredDtype::Bool)),
];

/// The instructions that are refused, by the names of Python's `pickletools`.
const REFUSED: [(u8, &str); 45] = [
    (b'0', "POP"),
    (b'1', "POP_MARK"),
    (b'2', "DUP"),
    (b'F', "FLOAT"),
    (b'G', "BINFLOAT"),
    (b'I', "INT"),
    (b'L', "LONG"),
    (b'P', "PERSID"),
    (b'S', "STRING"),
    (b'T', "BINSTRING"),
    (b'U', "SHORT_BINSTRING"),
    (b'V', "UNICODE"),
    (b'B', "BINBYTES"),
    (b'C', "SHORT_BINBYTES"),
    (b'a', "APPEND"),
    (b'd', "DICT"),
    (b'e', "APPENDS"),
    (b'g', "GET"),
    (b'i', "INST"),
    (b'l', "LIST"),
    (b'o', "OBJ"),
    (b'p', "PUT"),
    (b']', "EMPTY_LIST"),
    (0x81, "NEWOBJ"),
    (0x82, "EXT1"),
    (0x83, "EXT2"),
    (0x84, "EXT4"),
    (0x8b, "LONG4"),
    (0x8c, "SHORT_BINUNICODE"),
    (0x8d, "BINUNICODE8"),
    (0x8e, "BINBYTES8"),
    (0x8f, "EMPTY_SET"),
    (0x90, "ADDITEMS"),
    (0x91, "FROZENSET"),
    (0x92, "NEWOBJ_EX"),
    (0x93, "STACK_GLOBAL"),
    (0x94, "MEMOIZE"),
    (0x95, "FRAME"),
    (0x96, "BYTEARRAY8"),
    (0x97, "NEXT_BUFFER"),
    (0x98, "READONLY_BUFFER"),
    (0x99, "reserved 0x99"),
    (0x9a, "reserved 0x9a"),
    (0x9b, "reserved 0x9b"),
    (0x9c, "reserved 0x9c"),
];

/// Follows a pickle without running it.
struct Machine<'a> {
    pickle: &'a [u8],
    /// The position of the next byte.
    next: usize,
    /// The position of the current instruction.
    at: usize,
    stack: Vec<Value<'a>>,
    /// The heights of the stack at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    objects: Vec<Object<'a>>,
}

impl<'a> Machine<'a> {
    fn new(pickle: &'a [u8]) -> Self {
        Self {
            pickle,
            next: 0,
            at: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            objects: Vec::new(),
        }
    }

    /// Follows the pickle to its end and yields its value.
    fn run(&mut self) -> Result<Value<'a>, PickleFault> {
        loop {
            self.at = self.next;
            let [opcode] = self.array()?;
            match opcode {
                b'.' => return self.pop(),
                0x80 => match self.array()? {
                    [2] => {}
                    [found] => return Err(PickleFault::Protocol { found }),
                },
                b'(' => self.marks.push(self.stack.len()),
                b'N' => self.stack.push(Value::None),
                0x88 | 0x89 => self.stack.push(Value::Bool),
                b'K' => {
                    let [value] = self.array()?;
                    self.stack.push(Value::Int(value.into()));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.stack.push(Value::Int(value.into()));
                }
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.stack.push(Value::Int(value.into()));
                }
                0x8a => self.long()?,
                b'X' => {
                    let length = u32::from_le_bytes(self.array()?);
                    let bytes = self.take(length as usize)?;
                    let text = std::str::from_utf8(bytes);
                    let text = text.map_err(|_| self.expected("UTF-8 text"))?;
                    self.stack.push(Value::Text(text));
                }
                b'c' => self.global()?,
                b'}' => self.push(Object::Dict(Vec::new())),
                b')' => self.push(Object::Tuple(Vec::new())),
                0x85..=0x87 => {
                    let mut items = Vec::new();
                    for _ in 0x85..=opcode {
                        items.push(self.pop()?);
                    }
                    items.reverse();
                    self.push(Object::Tuple(items));
                }
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.push(Object::Tuple(items));
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set_items(&[key, value])?;
                }
                b'u' => {
                    let items = self.pop_to_mark()?;
                    self.set_items(&items)?;
                }
                b'q' => {
                    let [index] = self.array()?;
                    self.put(index.into())?;
                }
                b'r' => {
                    let index = u32::from_le_bytes(self.array()?);
                    self.put(index)?;
                }
                b'h' => {
                    let [index] = self.array()?;
                    self.get(index.into())?;
                }
                b'j' => {
                    let index = u32::from_le_bytes(self.array()?);
                    self.get(index)?;
                }
                b'Q' => self.storage()?,
                b'R' => self.call()?,
                b'b' => self.attributes()?,
                _ => return Err(self.refused(opcode)),
            }
        }
    }

    fn refused(&self, opcode: u8) -> PickleFault {
        let name = REFUSED.iter().find(|row| row.0 == opcode).map(|row| row.1.to_owned());
        let found = name.unwrap_or_else(|| format!("{opcode:#04x}"));
        PickleFault::Opcode { found, at: self.at }
    }

    /// The object that a value stands for.
    fn object(&self, value: Value<'a>) -> Option<&Object<'a>> {
        match value {
            Value::Object(index) => self.objects.get(index),
            _ => None,
        }
    }

    /// What to call a value in an error.
    fn kind(&self, value: Value<'a>) -> &'static str {
        match value {
            Value::None => "nothing",
            Value::Bool => "a truth value",
            Value::Int(_) => "a number",
            Value::Text(_) => "text",
            Value::Global(_) => "a function",
            Value::Object(index) => match self.objects[index] {
                Object::Tuple(_) => "a tuple",
                Object::Dict(_) => "a dictionary",
                Object::Storage(_) => "a storage",
                Object::Tensor(_) => "a tensor",
            },
        }
    }

    fn expected(&self, expected: &'static str) -> PickleFault {
        PickleFault::Operand { at: self.at, expected }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], PickleFault> {
        let rest = &self.pickle[self.next..];
        let taken = rest.get(..count).ok_or(PickleFault::Truncated)?;
        self.next += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleFault> {
        let rest = &self.pickle[self.next..];
        let taken = rest.first_chunk().ok_or(PickleFault::Truncated)?;
        self.next += N;
        Ok(*taken)
    }

    /// Text up to the end of a line.
    fn line(&mut self) -> Result<&'a str, PickleFault> {
        let rest = &self.pickle[self.next..];
        let end = rest.iter().position(|&byte| byte == b'\n').ok_or(PickleFault::Truncated)?;
        self.next += end + 1;
        std::str::from_utf8(&rest[..end]).map_err(|_| self.expected("UTF-8 text"))
    }

    fn push(&mut self, object: Object<'a>) {
        self.stack.push(Value::Object(self.objects.len()));
        self.objects.push(object);
    }

    /// The height of the stack below which the innermost mark hides everything.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Value<'a>, PickleFault> {
        let value = if self.stack.len() > self.floor() { self.stack.pop() } else { None };
        value.ok_or_else(|| self.expected("a value on the stack"))
    }

    fn top(&self) -> Result<Value<'a>, PickleFault> {
        let value = self.stack[self.floor()..].last().copied();
        value.ok_or_else(|| self.expected("a value on the stack"))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value<'a>>, PickleFault> {
        let mark = self.marks.pop().ok_or_else(|| self.expected("a mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn pop_tuple(&mut self) -> Result<Vec<Value<'a>>, PickleFault> {
        let value = self.pop()?;
        match self.object(value) {
            Some(Object::Tuple(items)) if items.len() <= SHORT => Ok(items.clone()),
            _ => Err(self.expected("a short tuple")),
        }
    }

    fn put(&mut self, index: u32) -> Result<(), PickleFault> {
        let value = self.top()?;
        self.memo.insert(index, value);
        Ok(())
    }

    fn get(&mut self, index: u32) -> Result<(), PickleFault> {
        let value = self.memo.get(&index).copied();
        self.stack.push(value.ok_or_else(|| self.expected("a value kept before"))?);
        Ok(())
    }

    /// A little-endian number of a stated length.
    fn long(&mut self) -> Result<(), PickleFault> {
        let [length] = self.array()?;
        let bytes = self.take(length.into())?;
        if bytes.len() > 8 {
            return Err(self.expected("a number of at most 64 bits"));
        }
        let is_negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut value = [if is_negative { 0xff } else { 0 }; 8];
        value[..bytes.len()].copy_from_slice(bytes);
        self.stack.push(Value::Int(i64::from_le_bytes(value)));
        Ok(())
    }

    fn global(&mut self) -> Result<(), PickleFault> {
        let found = format!("{}.{}", self.line()?, self.line()?);
        match GLOBALS.iter().find(|(name, _)| *name == found) {
            Some((_, global)) => {
                self.stack.push(Value::Global(*global));
                Ok(())
            }
            None => Err(PickleFault::Global { found }),
        }
    }

    fn set_items(&mut self, items: &[Value<'a>]) -> Result<(), PickleFault> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.expected("keys with values"));
        }
        match self.top()? {
            Value::Object(index) if matches!(self.objects[index], Object::Dict(_)) => {
                if let Object::Dict(dict) = &mut self.objects[index] {
                    dict.extend(pairs.iter().map(|[key, value]| (*key, *value)));
                }
                Ok(())
            }
            _ => Err(self.expected("a dictionary")),
        }
    }

    /// `('storage', torch.FloatStorage, '0', 'cpu', 42)`: the member of the archive, its type and number of elements.
    fn storage(&mut self) -> Result<(), PickleFault> {
        let storage = match *self.pop_tuple()? {
            [
                Value::Text("storage"),
                Value::Global(Global::Storage(dtype)),
                Value::Text(key),
                Value::Text(_device),
                Value::Int(elements),
            ] => usize::try_from(elements).ok().map(|elements| Storage { dtype, key, elements }),
            _ => None,
        };
        let storage = storage.ok_or_else(|| {
            self.expected("a storage: its type, its name, its device and its number of elements")
        })?;
        self.push(Object::Storage(storage));
        Ok(())
    }

    /// Builds what the call of a known name would build.
    fn call(&mut self) -> Result<(), PickleFault> {
        let arguments = self.pop_tuple()?;
        let object = match (self.pop()?, arguments.as_slice()) {
            (Value::Global(Global::OrderedDict), []) => Object::Dict(Vec::new()),
            (
                Value::Global(Global::RebuildTensor),
                &[storage, Value::Int(offset), shape, strides, Value::Bool, _hooks],
            ) => Object::Tensor(self.tensor(storage, offset, shape, strides)?),
            (
                Value::Global(Global::RebuildParameter),
                &[tensor @ Value::Object(index), Value::Bool, _hooks],
            ) if matches!(self.objects[index], Object::Tensor(_)) => {
                self.stack.push(tensor);
                return Ok(());
            }
            (Value::Global(Global::OrderedDict), _) => {
                return Err(self.expected("no arguments for OrderedDict"));
            }
            (Value::Global(Global::RebuildTensor), _) => {
                return Err(self.expected(
                    "a tensor: its storage, offset, shape, strides, a truth value and hooks",
                ));
            }
            (Value::Global(Global::RebuildParameter), _) => {
                return Err(self.expected("a parameter: its tensor, a truth value and hooks"));
            }
            _ => return Err(self.expected("a function that state dicts use")),
        };
        self.push(object);
        Ok(())
    }

    fn tensor(
        &self,
        storage: Value<'a>,
        offset: i64,
        shape: Value<'a>,
        strides: Value<'a>,
    ) -> Result<StoredTensor<'a>, PickleFault> {
        let Some(Object::Storage(storage)) = self.object(storage) else {
            return Err(self.expected("a storage"));
        };
        Ok(StoredTensor {
            storage: *storage,
            offset: usize::try_from(offset)
                .map_err(|_| self.expected("an offset that is not negative"))?,
            shape: self.counts(shape)?,
            strides: self.counts(strides)?,
        })
    }

    /// A tuple of numbers that are not negative.
    fn counts(&self, value: Value<'a>) -> Result<Vec<usize>, PickleFault> {
        let items = match self.object(value) {
            Some(Object::Tuple(items)) if items.len() <= SHORT => items,
            _ => return Err(self.expected("a short tuple of numbers")),
        };
        let count = |item: &Value<'a>| match item {
            Value::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        };
        let counts = items.iter().map(count).collect::<Option<_>>();
        counts.ok_or_else(|| self.expected("a tuple of numbers"))
    }

    /// The attributes of a state dict: the versions of its modules, which nothing here needs.
    fn attributes(&mut self) -> Result<(), PickleFault> {
        let state = self.pop()?;
        let is_metadata = match self.object(state) {
            Some(Object::Dict(items)) => matches!(items[..], [(Value::Text("_metadata"), _)]),
            _ => false,
        };
        if is_metadata && matches!(self.object(self.top()?), Some(Object::Dict(_))) {
            Ok(())
        } else {
            Err(self.expected("a dictionary and its _metadata"))
        }
    }
}
