//! Host functions for inner machines: machine, peek, poke, pages, invoke, expunge.

use tvm_isa::{Gas, GuestAddr, Reg};

use super::machines::Machines;
use crate::exit::GuestExit;
use crate::jam::call::{Call, Stop};
use crate::jam::results::{FULL, HUH, INNER_FAULT, INNER_HALT, INNER_HOST, INNER_OOG, INNER_PANIC, OK, OOB, WHO};
use crate::memory::Access;

/// Octets that are copied between machines at a time, so that lengths that guests name take no host memory.
const COPY_CHUNK: u64 = 1 << 20;

/// Pages below this one belong to no machine (GP: 16).
const FIRST_PAGE: u64 = 16;

/// One past the last page that `pages` takes. The Gray Paper's comparison leaves the very last page out.
const END_OF_PAGES: u64 = (1 << 20) - 1;

/// Octets of what `invoke` exchanges: gas and registers.
const INVOKE_BYTES: usize = 8 + 8 * Reg::COUNT;

/// **machine** (0.7: 8, 0.8.0: 9). Makes an inner machine of a bare program, with no accessible memory.
///
/// φ7 address of the program, φ8 its length, φ9 program counter to start from.
/// Since GP 0.8.0, first of all: φ7 ← FULL when there are 63 machines. Panics when the program is not readable. φ7 ← HUH
/// when it is no program or, since GP 0.8.0, no instruction starts at the program counter; otherwise the machine's index,
/// the lowest that is free.
pub(super) fn machine(call: &mut Call<'_>, machines: &mut Machines<'_>) -> Result<(), Stop> {
    if call.rules.max_machines.is_some_and(|most| machines.len() >= most) {
        call.answer(FULL);
        return Ok(());
    }
    let program = call.read(call.reg(7), call.reg(8))?;
    let index = machines.add(&program, call.reg(9))?;
    call.answer(index.unwrap_or(HUH));
    Ok(())
}

/// **peek** (0.7: 9, 0.8.0: 10). Copies from an inner machine's memory.
///
/// φ7 machine, φ8 destination in the caller, φ9 source in the machine, φ10 length.
/// Panics when the destination is not writable. φ7 ← WHO when there is no such machine, OOB when the source is not
/// readable there, otherwise OK.
pub(super) fn peek(call: &mut Call<'_>, machines: &mut Machines<'_>) -> Result<(), Stop> {
    let [index, to, from, len] = [7, 8, 9, 10].map(|reg| call.reg(reg));
    call.need_writable(to, len)?;
    let Some(machine) = machines.get(index) else {
        call.answer(WHO);
        return Ok(());
    };
    if !machine.memory().is_readable(from, len) {
        call.answer(OOB);
        return Ok(());
    }
    for (done, len) in chunks(len) {
        let bytes = machine.memory().read(from + done, len).map_err(|error| Stop::Host(error.into()))?;
        call.write(to + done, &bytes)?;
    }
    call.answer(OK);
    Ok(())
}

/// **poke** (0.7: 10, 0.8.0: 11). Copies to an inner machine's memory.
///
/// φ7 machine, φ8 source in the caller, φ9 destination in the machine, φ10 length.
/// Panics when the source is not readable. φ7 ← WHO when there is no such machine, OOB when the destination is not
/// writable there, otherwise OK.
pub(super) fn poke(call: &mut Call<'_>, machines: &mut Machines<'_>) -> Result<(), Stop> {
    let [index, from, to, len] = [7, 8, 9, 10].map(|reg| call.reg(reg));
    call.need_readable(from, len)?;
    let Some(machine) = machines.get_mut(index) else {
        call.answer(WHO);
        return Ok(());
    };
    if !machine.memory().is_writable(to, len) {
        call.answer(OOB);
        return Ok(());
    }
    for (done, len) in chunks(len) {
        let bytes = call.read(from + done, len)?;
        machine.memory_mut().write(to + done, &bytes).map_err(|error| Stop::Host(error.into()))?;
    }
    call.answer(OK);
    Ok(())
}

/// Splits a range into offsets and lengths of at most [`COPY_CHUNK`].
fn chunks(len: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..len.div_ceil(COPY_CHUNK)).map(move |chunk| {
        let done = chunk * COPY_CHUNK;
        (done, (len - done).min(COPY_CHUNK))
    })
}

/// What `pages` does with a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct PagesMode {
    access: Access,
    keeps_contents: bool,
}

impl PagesMode {
    fn of(mode: u64) -> Option<Self> {
        let (access, keeps_contents) = match mode {
            0 => (Access::None, false),
            1 => (Access::Read, false),
            2 => (Access::Write, false),
            3 => (Access::Read, true),
            4 => (Access::Write, true),
            _ => return None,
        };
        Some(Self { access, keeps_contents })
    }
}

/// **pages** (0.7: 11, 0.8.0: 12). Sets access rights of an inner machine's pages.
///
/// φ7 machine, φ8 first page, φ9 number of pages, φ10 mode: 0 inaccessible, 1 readable, 2 writable, all three zeroed;
/// 3 readable, 4 writable, with contents as they were.
/// φ7 ← WHO when there is no such machine, HUH when there is no such mode, the first page is below 16 or the end not below
/// 2^20, or when contents are to be kept of a page that is inaccessible; otherwise OK.
pub(super) fn pages(call: &mut Call<'_>, machines: &mut Machines<'_>) -> Result<(), Stop> {
    let [index, first, count, mode] = [7, 8, 9, 10].map(|reg| call.reg(reg));
    let Some(machine) = machines.get_mut(index) else {
        call.answer(WHO);
        return Ok(());
    };
    let in_range = first >= FIRST_PAGE && first.checked_add(count).is_some_and(|end| end <= END_OF_PAGES);
    let Some(mode) = PagesMode::of(mode).filter(|_| in_range) else {
        call.answer(HUH);
        return Ok(());
    };
    let page_size = u64::from(GuestAddr::PAGE_SIZE);
    let memory = machine.memory_mut();
    if mode.keeps_contents && !memory.is_readable(first * page_size, count * page_size) {
        call.answer(HUH);
        return Ok(());
    }
    // Both are below 2^20.
    let (first, count) = (first as u32, count as u32);
    let accessible = (first..first + count).filter(|&page| memory.page_access(page) > Access::None).count() as u64;
    let refused = |error: crate::SysError| Stop::Host(error.into());
    if !mode.keeps_contents {
        memory.zero_pages(first, count).map_err(refused)?;
    }
    memory.set_access(first, count, mode.access).map_err(refused)?;
    let now = if mode.access > Access::None { u64::from(count) } else { 0 };
    let total = machine.pages - accessible + now;
    machines.note_pages(index, total)?;
    call.answer(OK);
    Ok(())
}

/// **invoke** (0.7: 12, 0.8.0: 13). Runs an inner machine.
///
/// φ7 machine, φ8 address of 112 octets that hold its gas and registers, and do so again afterwards.
/// Panics when they are not writable. φ7 ← WHO when there is no such machine, otherwise how its run ended: HALT, PANIC,
/// FAULT with the page's address in φ8, HOST with the call's identifier in φ8, or OOG.
///
/// Since GP 0.8.0 the machine's gas is taken from the caller's, and what is left is given back; not if there is no such
/// machine. Before, it is not taken from anywhere, and gas that ran out is reported as −1, the Gray Paper's counter.
pub(super) fn invoke(call: &mut Call<'_>, machines: &mut Machines<'_>) -> Result<(), Stop> {
    let (index, exchange) = (call.reg(7), call.reg(8));
    call.need_writable(exchange, INVOKE_BYTES as u64)?;
    let bytes: [u8; INVOKE_BYTES] = call.read_array(exchange)?;
    let (words, _) = bytes.as_chunks::<8>();
    let word = |at: usize| u64::from_le_bytes(words[at]);
    let gas = Gas(word(0));
    if call.rules.invoke_lends {
        call.charge(gas.0.into())?;
    }
    let Some(ended) = machines.invoke(index, gas, std::array::from_fn(|reg| word(reg + 1)))? else {
        call.answer(WHO);
        return Ok(());
    };
    if call.rules.invoke_lends {
        call.refund(ended.gas);
    }
    let gas_left = match ended.exit {
        GuestExit::OutOfGas if call.rules.reports_negative_gas => u64::MAX,
        _ => ended.gas.0,
    };
    let after: Vec<u8> = [gas_left].iter().chain(&ended.regs).flat_map(|word| word.to_le_bytes()).collect();
    call.write(exchange, &after)?;
    let (code, detail) = match ended.exit {
        GuestExit::Halt => (INNER_HALT, None),
        GuestExit::Panic => (INNER_PANIC, None),
        GuestExit::OutOfGas => (INNER_OOG, None),
        GuestExit::PageFault(address) => (INNER_FAULT, Some(address.0.into())),
        GuestExit::HostCall(id) => (INNER_HOST, Some(id)),
    };
    call.answer(code);
    if let Some(detail) = detail {
        call.answer_second(detail);
    }
    Ok(())
}

/// **expunge** (0.7: 13, 0.8.0: 14). Removes an inner machine; its index may be given out again.
///
/// φ7 machine. φ7 ← WHO when there is no such machine, otherwise its program counter.
pub(super) fn expunge(call: &mut Call<'_>, machines: &mut Machines<'_>) -> Result<(), Stop> {
    let pc = machines.remove(call.reg(7));
    call.answer(pc.unwrap_or(WHO));
    Ok(())
}
