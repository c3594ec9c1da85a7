//! Follows the pickle of a state dict without running it.
//!
//! A pickle is a program. A small machine here knows the instructions that state dicts are made of and a fixed list of
//! names, builds plain values, and refuses every other instruction or name, by name. It can neither call nor import
//! anything. Values live in one flat list, so no input can nest deep enough to exhaust the stack.

use std::collections::HashMap;

use super::{PickleFault, StoredDtype};

/// The most items of a tuple that is looked into, so that a pickle which uses one long tuple many times takes no more
/// time than its own length asks for.
const SHORT: usize = 16;

/// A value on the machine's stack.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    None,
    Bool,
    Int(i64),
    Text(&'a str),
    Global(Global),
    /// An index into the machine's objects.
    Object(usize),
}

/// What larger values are.
pub(super) enum Object<'a> {
    Tuple(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    Storage(Storage<'a>),
    Tensor(StoredTensor<'a>),
}

/// A storage as the pickle describes it.
#[derive(Clone, Copy)]
pub(super) struct Storage<'a> {
    pub(super) dtype: StoredDtype,
    pub(super) key: &'a str,
    pub(super) elements: usize,
}

/// A tensor as the pickle describes it.
pub(super) struct StoredTensor<'a> {
    pub(super) storage: Storage<'a>,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// The names that a state dict may use.
#[derive(Clone, Copy)]
pub(super) enum Global {
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
pub(super) struct Machine<'a> {
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
    pub(super) fn new(pickle: &'a [u8]) -> Self {
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
    pub(super) fn run(&mut self) -> Result<Value<'a>, PickleFault> {
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
    pub(super) fn object(&self, value: Value<'a>) -> Option<&Object<'a>> {
        match value {
            Value::Object(index) => self.objects.get(index),
            _ => None,
        }
    }

    /// What to call a value in an error.
    pub(super) fn kind(&self, value: Value<'a>) -> &'static str {
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
