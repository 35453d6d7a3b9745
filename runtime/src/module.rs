//! A program ready to run, shared by all instances of it.

use std::sync::Arc;

use tvm_abi::{Observed, Tier};
use tvm_isa::layout::{Layout, Region, Sizes};
use tvm_isa::{Container, GpVersion, GuestAddr, Pc, Program, Rules, Unpacked};
use tvm_loader::FileSpan;

use crate::error::{Error, LoadError, Malformed};
use crate::exit::GuestExit;
use crate::memory::Access;
use crate::sys::{Image, JumpTable, NativeModule, Segment};

/// Where a module came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// Its object was in the cache; nothing was compiled.
    CacheHit,
    /// It was compiled, and stored in the cache if there is one.
    Compiled,
    /// It is interpreted.
    Interpreted,
}

/// A program under the rules of one version: loaded machine code, or just its bytes when it is interpreted. Cloning
/// shares it.
#[derive(Clone, Debug)]
pub struct Module(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: &'static Rules,
    container: Container,
    sizes: Sizes,
    /// The regions of a standard program.
    layout: Option<Layout>,
    code: Code,
    /// What an instance's mapped memory holds at the start. Interpreted modules fill theirs page by page.
    image: Arc<Image>,
    origin: Origin,
}

#[derive(Debug)]
enum Code {
    Native(NativeModule),
    /// The program blob and the initial data around it.
    Bytes {
        blob: Vec<u8>,
        ro: Vec<u8>,
        rw: Vec<u8>,
    },
}

impl Module {
    /// A module that is interpreted.
    pub(crate) fn interpreted(code: &[u8], version: GpVersion, container: Container) -> Result<Self, LoadError> {
        let rules = version.rules();
        let Unpacked { blob, ro, rw, sizes } = checked(code, rules, container)?;
        let layout = layout_of(container, sizes)?;
        let code = Code::Bytes { blob: blob.to_vec(), ro: ro.to_vec(), rw: rw.to_vec() };
        Ok(Self::new(rules, container, sizes, layout, code, Image::default(), Origin::Interpreted))
    }

    /// A module of loaded machine code.
    pub(crate) fn native(native: NativeModule, origin: Origin) -> Result<Self, LoadError> {
        let note = native.note();
        let (rules, container, sizes) = (note.gp_version.rules(), note.container, note.sizes);
        let layout = layout_of(container, sizes)?;
        let image = image_of(&native, layout.as_ref())?;
        Ok(Self::new(rules, container, sizes, layout, Code::Native(native), image, origin))
    }

    fn new(
        rules: &'static Rules,
        container: Container,
        sizes: Sizes,
        layout: Option<Layout>,
        code: Code,
        image: Image,
        origin: Origin,
    ) -> Self {
        Self(Arc::new(Inner { rules, container, sizes, layout, code, image: Arc::new(image), origin }))
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> Program<'_> {
        let blob = match &self.0.code {
            Code::Native(native) => native.program_blob(),
            Code::Bytes { blob, .. } => blob,
        };
        Program::parse(blob).expect("parsed when the module was made, and unchanged since")
    }

    /// The rules the program follows.
    #[must_use]
    pub fn rules(&self) -> &'static Rules {
        self.0.rules
    }

    /// The container the program came in.
    #[must_use]
    pub fn container(&self) -> Container {
        self.0.container
    }

    /// The sizes a standard program states; zero for bare ones.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.0.sizes
    }

    /// The regions of a standard program; bare ones have none.
    #[must_use]
    pub fn layout(&self) -> Option<&Layout> {
        self.0.layout.as_ref()
    }

    /// Where the module came from when it was loaded into this process.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.0.origin
    }

    /// The tier whose code the module has; `None` if it is interpreted.
    #[must_use]
    pub fn tier(&self) -> Option<Tier> {
        self.native_code().map(|native| native.note().tier)
    }

    /// Whether all registers are what the Gray Paper says when an invocation of this module ends like this; otherwise they only hold
    /// what decided about its end. See [`tvm_abi::Observed`].
    #[must_use]
    pub fn shows_registers_at(&self, exit: GuestExit) -> bool {
        let exact_everywhere = self.tier() != Some(Tier::Best) || Observed::of(self.0.container) == Observed::EveryExit;
        exact_everywhere || matches!(exit, GuestExit::Halt | GuestExit::HostCall(_))
    }

    /// Whether execution may begin at `pc` (GP 0.8.0, A.1: only where an instruction starts; before, anywhere).
    #[must_use]
    pub fn may_start_at(&self, pc: Pc) -> bool {
        self.program().validate_entry(self.0.rules, pc).is_ok()
    }

    pub(crate) fn native_code(&self) -> Option<&NativeModule> {
        match &self.0.code {
            Code::Native(native) => Some(native),
            Code::Bytes { .. } => None,
        }
    }

    /// The initial read-only and read-write data of an interpreted module.
    pub(crate) fn initial_data(&self) -> (&[u8], &[u8]) {
        match &self.0.code {
            Code::Native(_) => (&[], &[]),
            Code::Bytes { ro, rw, .. } => (ro, rw),
        }
    }

    pub(crate) fn image(&self) -> &Arc<Image> {
        &self.0.image
    }

    /// Whether nobody else holds this module.
    pub(crate) fn is_sole(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// The parts of a program that the version accepts.
fn checked<'a>(code: &'a [u8], rules: &Rules, container: Container) -> Result<Unpacked<'a>, Malformed> {
    let parts = Unpacked::from_container(code, container)?;
    Program::parse(parts.blob)?.validate(rules)?;
    Ok(parts)
}

fn layout_of(container: Container, sizes: Sizes) -> Result<Option<Layout>, LoadError> {
    match container {
        Container::Raw => Ok(None),
        Container::Standard | Container::Jam => Layout::new(sizes).map(Some).map_err(|needed| {
            LoadError::Machine(Error::Internal(format!(
                "an object's memory layout takes {needed} bytes of address space"
            )))
        }),
    }
}

/// The image that the object holds: its data mapped from the file, zeroed heap and stack.
fn image_of(native: &NativeModule, layout: Option<&Layout>) -> Result<Image, LoadError> {
    let page = |address: GuestAddr| address.0 / GuestAddr::PAGE_SIZE;
    let segment = |start: GuestAddr, len: u32, access, file_offset| Segment {
        first: page(start),
        count: len / GuestAddr::PAGE_SIZE,
        access,
        file_offset,
    };
    let (ro, rw) = (native.ro_image(), native.rw_image());
    // The regions consist of the file's pages and of zeroed ones behind them.
    let of_region = |region: Region, access, image: FileSpan| {
        let from_file = region.len.min(u32::try_from(image.len).unwrap_or(u32::MAX));
        let rest = GuestAddr(region.start.0 + from_file);
        [
            segment(region.start, from_file, access, Some(image.offset)),
            segment(rest, region.len - from_file, access, None),
        ]
    };
    let mut segments = Vec::new();
    if let Some(layout) = layout {
        segments.extend(of_region(layout.ro, Access::Read, ro));
        segments.extend(of_region(layout.rw, Access::Write, rw));
        segments.push(segment(layout.stack.start, layout.stack.len, Access::Write, None));
    }
    let table = native.jump_table();
    let jump_table = (table.len > 0).then_some(JumpTable { file_offset: table.offset, len: table.len as usize });
    Image::new(Some(native.image_file()), jump_table, segments).map_err(|error| {
        LoadError::Machine(Error::Internal(format!("an object's memory image is impossible: {error}")))
    })
}
