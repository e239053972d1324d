//! The paths of a contract as one tree of keys: a record is scanned once, and what is read from it is noted in slots.

use lake::json::{Fault, Kind, RawString, Scanner};
use pipeline::{Path, Step};
use std::ops::Range;

/// A node of [`Trie`].
pub(crate) type NodeId = usize;

/// What was found for a path: a span of the text that was scanned. Spans rather than texts, so that the slots outlive a record.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Slot {
    Missing,
    /// A key on the way stands twice in its object.
    Duplicate,
    Json {
        kind: Kind,
        escaped: bool,
        start: u32,
        end: u32,
    },
    /// A text as it is (CSV), not JSON.
    Plain {
        start: u32,
        end: u32,
    },
}

/// A key that no path begins with.
#[derive(Clone, Debug)]
pub(crate) struct Unknown {
    pub key: UnknownKey,
    pub value: Slot,
}

/// Where the key of an [`Unknown`] stands.
#[derive(Clone, Debug)]
pub(crate) enum UnknownKey {
    /// Between quotes in the text that was scanned.
    Json { span: Range<usize>, escaped: bool },
    /// The name of this column.
    Column(usize),
}

/// The nodes of all trees of a contract. Each tree has a root and slots of its own, counted from 0.
#[derive(Debug, Default)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    keys: Vec<(Box<str>, NodeId)>,
    indexes: Vec<(usize, NodeId)>,
    slot: Option<u32>,
}

impl Node {
    /// The slot of a node that nothing is below.
    #[inline]
    fn leaf(&self) -> Option<u32> {
        self.slot.filter(|_| self.keys.is_empty() && self.indexes.is_empty())
    }
}

/// What is remembered of the records before, to be quicker with the next. It changes no result.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    nodes: Vec<NodeMemory>,
    scans: u64,
}

#[derive(Debug, Default)]
struct NodeMemory {
    /// The keys of the object seen here last, in its order.
    order: Vec<Expected>,
    /// The scan that was here last: a second time in one scan is a duplicate key.
    scan: u64,
}

/// A key that is expected, for that is how the object before went on.
#[derive(Debug, Default)]
struct Expected {
    /// All from the value before to this one's: `, "key": `.
    lead: String,
    /// Where the key stands in it.
    key: Range<usize>,
    child: Option<NodeId>,
}

/// How much of an order is remembered.
const ORDER_KEYS_MAX: usize = 256;
const LEAD_BYTES_MAX: usize = 128;

/// One tree of a [`Trie`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    pub root: NodeId,
    pub slots: u32,
}

impl Trie {
    /// Adds a tree for these paths; the path at place n fills the slot n.
    pub fn add_tree<'p>(&mut self, paths: impl IntoIterator<Item = &'p Path>) -> Tree {
        let root = self.new_node();
        let mut slots = 0;
        for path in paths {
            let mut at = root;
            for step in &path.steps {
                at = self.child(at, step);
            }
            // Two paths to one place share its slot: the caller asks with `slot_of`.
            if let Some(node) = self.nodes.get_mut(at)
                && node.slot.is_none()
            {
                node.slot = Some(slots);
            }
            slots += 1;
        }
        Tree { root, slots }
    }

    /// The slot that holds what is at `path`.
    pub fn slot_of(&self, tree: Tree, path: &Path) -> Option<u32> {
        let mut at = tree.root;
        for step in &path.steps {
            let node = self.nodes.get(at)?;
            at = match step {
                Step::Key(key) => node.keys.iter().find(|(k, _)| **k == **key)?.1,
                Step::Index(index) => node.indexes.iter().find(|(i, _)| i == index)?.1,
                Step::Each => return None,
            };
        }
        self.nodes.get(at)?.slot
    }

    /// Whether a value of this kind can be a record: an object always, a list if a path goes into it, anything if a path names it whole.
    pub fn accepts(&self, tree: Tree, kind: Kind) -> bool {
        let root = self.nodes.get(tree.root);
        let indexed = || root.is_some_and(|node| !node.indexes.is_empty());
        kind == Kind::Object || self.reads_root(tree) || (kind == Kind::List && indexed())
    }

    /// Whether a path names the value itself: then every key of it is read.
    pub fn reads_root(&self, tree: Tree) -> bool {
        self.nodes.get(tree.root).is_some_and(|node| node.slot.is_some())
    }

    pub fn memory(&self) -> Memory {
        Memory {
            nodes: self.nodes.iter().map(|_| NodeMemory::default()).collect(),
            scans: 0,
        }
    }

    fn new_node(&mut self) -> NodeId {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    fn child(&mut self, at: NodeId, step: &Step) -> NodeId {
        let fresh = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        let found = match step {
            Step::Key(key) => node.keys.iter().find(|(k, _)| **k == **key).map(|(_, id)| *id),
            Step::Index(index) => node.indexes.iter().find(|(i, _)| i == index).map(|(_, id)| *id),
            // `check` refuses it in a field's path.
            Step::Each => None,
        };
        if let Some(found) = found {
            return found;
        }
        match step {
            Step::Key(key) => node.keys.push((key.as_str().into(), fresh)),
            Step::Index(index) => node.indexes.push((*index, fresh)),
            Step::Each => {}
        }
        self.new_node()
    }
}

/// Scans the next value of `scanner` and fills `slots` (as many as the tree has, all `Missing` before). Keys of the value itself that no
/// path begins with are appended to `unknown`. Offsets are those of the scanner. Returns the value's kind.
pub(crate) fn scan<'a>(
    trie: &Trie,
    tree: Tree,
    scanner: &mut Scanner<'a>,
    text: &'a str,
    memory: &mut Memory,
    slots: &mut [Slot],
    unknown: Option<&mut Vec<Unknown>>,
) -> Result<Kind, Fault> {
    memory.scans += 1;
    let kind = scanner.peek()?;
    let mut scan = Scan {
        trie,
        text,
        memory,
        slots,
        unknown,
    };
    scan.value(tree.root, scanner)?;
    Ok(kind)
}

struct Scan<'s, 'a> {
    trie: &'s Trie,
    text: &'a str,
    memory: &'s mut Memory,
    slots: &'s mut [Slot],
    /// Taken by the first object that is stepped into: the value itself.
    unknown: Option<&'s mut Vec<Unknown>>,
}

impl<'a> Scan<'_, 'a> {
    fn value(&mut self, id: NodeId, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        let Some(node) = self.trie.nodes.get(id) else {
            return scanner.skip_value().map(|_| ());
        };
        let slot = if node.keys.is_empty() && node.indexes.is_empty() && self.unknown.is_none() {
            whole(scanner)?
        } else {
            let kind = scanner.peek()?;
            let start = scanner.offset();
            match kind {
                Kind::Object => self.object(id, node, scanner)?,
                Kind::List if !node.indexes.is_empty() => self.list(node, scanner)?,
                _ => return self.fill(node.slot, whole(scanner)?),
            }
            Slot::Json {
                kind,
                escaped: false,
                start: start as u32,
                end: scanner.offset() as u32,
            }
        };
        self.fill(node.slot, slot)
    }

    #[inline]
    fn fill(&mut self, at: Option<u32>, slot: Slot) -> Result<(), Fault> {
        if let Some(place) = at.and_then(|at| self.slots.get_mut(at as usize)) {
            *place = slot;
        }
        Ok(())
    }

    fn object(&mut self, id: NodeId, node: &Node, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        let mut unknown = self.unknown.take();
        scanner.begin_object()?;
        let (mut first, mut at) = (true, 0);
        while let Some((child, key)) = self.step(id, node, at, &mut first, scanner)? {
            at += 1;
            match (child, &mut unknown) {
                (Some(child), _) if self.is_first(child) => match self.trie.nodes.get(child).and_then(Node::leaf) {
                    Some(slot) => {
                        let value = whole(scanner)?;
                        self.fill(Some(slot), value)?;
                    }
                    None => self.value(child, scanner)?,
                },
                (Some(child), _) => {
                    scanner.skip_value()?;
                    self.mark_duplicate(child);
                }
                (None, None) => {
                    scanner.skip_value()?;
                }
                (None, Some(list)) => {
                    let value = whole(scanner)?;
                    list.push(Unknown { key, value });
                }
            }
        }
        Ok(())
    }

    fn list(&mut self, node: &Node, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        self.unknown = None;
        scanner.begin_list()?;
        let (mut first, mut at) = (true, 0);
        while scanner.next_item(&mut first)? {
            match node.indexes.iter().find(|(index, _)| *index == at) {
                Some((_, child)) => self.value(*child, scanner)?,
                None => {
                    scanner.skip_value()?;
                }
            }
            at += 1;
        }
        Ok(())
    }

    /// Passes over the next key: where it leads, and where it stands. What the object before had here is tried first, in one comparison.
    #[inline]
    fn step(
        &mut self,
        id: NodeId,
        node: &Node,
        at: usize,
        first: &mut bool,
        scanner: &mut Scanner<'a>,
    ) -> Result<Option<(Option<NodeId>, UnknownKey)>, Fault> {
        let before = scanner.offset();
        let Some(memory) = self.memory.nodes.get_mut(id) else {
            return Ok(None);
        };
        if let Some(expected) = memory.order.get(at)
            && scanner.accept(&expected.lead)
        {
            *first = false;
            let span = before + expected.key.start..before + expected.key.end;
            return Ok(Some((expected.child, UnknownKey::Json { span, escaped: false })));
        }
        let Some(key) = scanner.next_key(first)? else { return Ok(None) };
        scanner.peek()?;
        let child = node.keys.iter().find(|(k, _)| key.is(k)).map(|(_, id)| *id);
        let lead = self.text.get(before..scanner.offset()).unwrap_or_default();
        let start = key.inner.as_ptr() as usize - lead.as_ptr() as usize;
        learn(&mut memory.order, at, lead, key, start, child);
        let span = before + start..before + start + key.inner.len();
        Ok(Some((
            child,
            UnknownKey::Json {
                span,
                escaped: key.escaped,
            },
        )))
    }

    #[inline]
    fn is_first(&mut self, id: NodeId) -> bool {
        let scan = self.memory.scans;
        self.memory
            .nodes
            .get_mut(id)
            .is_some_and(|memory| std::mem::replace(&mut memory.scan, scan) != scan)
    }

    #[cold]
    fn mark_duplicate(&mut self, id: NodeId) {
        let Some(node) = self.trie.nodes.get(id) else { return };
        if let Some(place) = node.slot.and_then(|at| self.slots.get_mut(at as usize)) {
            *place = Slot::Duplicate;
        }
        for child in node.keys.iter().map(|(_, id)| *id).chain(node.indexes.iter().map(|(_, id)| *id)) {
            self.mark_duplicate(child);
        }
    }
}

/// Remembers a key for the objects to come.
fn learn(order: &mut Vec<Expected>, at: usize, lead: &str, key: RawString<'_>, start: usize, child: Option<NodeId>) {
    // A line break must be seen by the scanner, and an escape by whoever takes the key.
    if key.escaped || at >= ORDER_KEYS_MAX || lead.len() > LEAD_BYTES_MAX || lead.contains(['\n', '\r']) {
        return;
    }
    if at == order.len() {
        order.push(Expected::default());
    }
    if let Some(expected) = order.get_mut(at) {
        expected.lead.clear();
        expected.lead.push_str(lead);
        expected.key = start..start + key.inner.len();
        expected.child = child;
    }
}

/// Passes over a value and notes its span.
#[inline]
pub(crate) fn whole(scanner: &mut Scanner<'_>) -> Result<Slot, Fault> {
    let (kind, start, escaped) = scanner.skip_span()?;
    Ok(Slot::Json {
        kind,
        escaped,
        start: start as u32,
        end: scanner.offset() as u32,
    })
}
