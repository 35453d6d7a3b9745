//! Which result each register holds at each place of a region.

use tvm_isa::{Instruction, Op, Reg};

use super::effects;

/// A result: what a register held when the region began, or what an instruction of it wrote.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Value(u16);

impl Value {
    fn entry(reg: Reg) -> Self {
        Self(reg.index() as u16)
    }

    fn written_by(index: usize) -> Self {
        Self((Reg::COUNT + index) as u16)
    }

    /// The instruction that wrote it, by its index in the region.
    pub fn writer(self) -> Option<usize> {
        usize::from(self.0).checked_sub(Reg::COUNT)
    }

    /// The register it was in when the region began, if it was there then.
    pub fn entry_register(self) -> Option<Reg> {
        Reg::all().find(|reg| reg.index() == usize::from(self.0))
    }

    /// A number below [`Values::count`].
    pub fn number(self) -> usize {
        usize::from(self.0)
    }
}

/// The results in a region.
pub struct Values {
    /// What each register holds before each instruction, and behind the last.
    before: Vec<[Value; Reg::COUNT]>,
    /// For each value, the one it is a copy of, or itself.
    origin: Vec<Value>,
}

impl Values {
    /// Follows the results through a region.
    pub fn new(region: &[Instruction]) -> Self {
        let mut now: [Value; Reg::COUNT] = std::array::from_fn(|index| Value(index as u16));
        let mut origin: Vec<Value> = Reg::all().map(Value::entry).collect();
        let mut before = Vec::with_capacity(region.len() + 1);
        for (index, instruction) in region.iter().enumerate() {
            before.push(now);
            let value = Value::written_by(index);
            let copied = (instruction.op == Op::MoveReg).then(|| origin[now[instruction.a.index()].number()]);
            origin.push(copied.unwrap_or(value));
            if let Some(reg) = effects::written(instruction) {
                now[reg.index()] = value;
            }
        }
        before.push(now);
        Self { before, origin }
    }

    /// Number of values, unused ones included.
    pub fn count(&self) -> usize {
        self.origin.len()
    }

    /// What `reg` holds before instruction `at`, or behind the region's last.
    pub fn held(&self, reg: Reg, at: usize) -> Value {
        self.before[at][reg.index()]
    }

    /// What all registers hold when the region begins.
    pub fn at_start(&self) -> [Value; Reg::COUNT] {
        *self.before.first().expect("there is an entry behind the last instruction")
    }

    /// What all registers hold behind the region.
    pub fn at_end(&self) -> [Value; Reg::COUNT] {
        *self.before.last().expect("there is an entry behind the last instruction")
    }

    /// The value that `value` is a copy of, or itself.
    pub fn origin(&self, value: Value) -> Value {
        self.origin[value.number()]
    }
}
