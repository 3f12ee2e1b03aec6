//! A disk that forgets what was not synced.
//!
//! Owns the rules. An `fdatasync` keeps a file's bytes and its length, not its name; an `fsync` of a
//! directory keeps the names in it. What is not kept may be lost or not: of the writes to one sector
//! the first few, of the names any, of the length any that it had (a journal takes a new length whole).
//! It never touches a real file but to put down what is left.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::trace::Deed;
use crate::random::Random;

type Id = usize;
/// Names that change together: a rename takes one and gives another.
type Change = Vec<(OsString, Option<Id>)>;
const ROOT: Id = 0;

/// What a power cut leaves of that which was not synced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// Nothing: the disk had not begun with it.
    Nothing,
    /// Everything: only the process died.
    Everything,
    /// A part, by chance.
    Some {
        /// The disk writes so many bytes whole or not at all.
        sector: usize,
        /// How likely the next write to a sector is to be there, in hundredths.
        kept: u64,
    },
}

/// Files by their names; `None` is a directory.
pub(crate) type Left = BTreeMap<PathBuf, Option<Vec<u8>>>;

#[derive(Debug, Clone)]
pub(crate) struct Disk {
    nodes: Vec<Node>,
    /// The operating system's numbers, of one life of the process.
    numbers: HashMap<u64, Id>,
}

#[derive(Debug, Clone)]
enum Node {
    File {
        durable: Vec<u8>,
        changes: Vec<Edit>,
    },
    Directory {
        durable: BTreeMap<OsString, Id>,
        now: BTreeMap<OsString, Id>,
        changes: Vec<Change>,
    },
}

#[derive(Debug, Clone)]
enum Edit {
    Write { place: usize, bytes: Vec<u8> },
    Resize(usize),
}

impl Disk {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self {
            nodes: vec![directory()],
            numbers: HashMap::new(),
        }
    }

    /// One on which all of this is durable.
    pub(crate) fn holding(left: &Left) -> Self {
        let mut disk = Self::new();
        for (name, content) in left {
            let id = disk.add(match content {
                Some(bytes) => Node::File {
                    durable: bytes.clone(),
                    changes: Vec::new(),
                },
                None => directory(),
            });
            disk.name(name, Some(id));
        }
        for node in &mut disk.nodes {
            if let Node::Directory {
                durable,
                now,
                changes,
            } = node
            {
                *durable = now.clone();
                changes.clear();
            }
        }
        disk
    }

    /// The next process begins on it: the numbers of the last one mean nothing any more.
    pub(crate) fn next_life(&mut self) {
        self.numbers.clear();
    }

    /// Does what was done.
    pub(crate) fn play(&mut self, deed: &Deed) {
        match deed {
            Deed::MakeDirectory { file, name } => {
                let id = self.add(directory());
                self.numbers.insert(*file, id);
                self.name(name, Some(id));
            }
            Deed::Create { file, name } => {
                let id = self.add(Node::File {
                    durable: Vec::new(),
                    changes: Vec::new(),
                });
                self.numbers.insert(*file, id);
                self.name(name, Some(id));
            }
            Deed::Open { file, name } => {
                let id = self.find(name).unwrap();
                self.numbers.insert(*file, id);
            }
            Deed::Write { file, place, bytes } => self.edit(
                *file,
                Edit::Write {
                    place: *place,
                    bytes: bytes.clone(),
                },
            ),
            Deed::Resize { file, length } => self.edit(*file, Edit::Resize(*length)),
            Deed::Sync { file, name } => self.sync(*file, name),
            Deed::Rename { from, to } => {
                assert_eq!(from.parent(), to.parent(), "only within a directory");
                let id = self.find(from).unwrap();
                let change = vec![(leaf(from), None), (leaf(to), Some(id))];
                self.change(from, change);
            }
            Deed::Remove { name } => self.name(name, None),
            Deed::Say(_) => {}
        }
    }

    /// What is there after the power comes back.
    pub(crate) fn after(&self, fate: Fate, random: &mut Random) -> Left {
        let mut left = Left::new();
        self.collect(ROOT, Path::new(""), fate, random, &mut left);
        left
    }

    fn collect(&self, id: Id, at: &Path, fate: Fate, random: &mut Random, left: &mut Left) {
        let Node::Directory {
            durable,
            now,
            changes,
        } = &self.nodes[id]
        else {
            unreachable!("only directories have names in them")
        };
        let names = match fate {
            Fate::Nothing => durable.clone(),
            Fate::Everything => now.clone(),
            Fate::Some { kept, .. } => {
                let mut names = durable.clone();
                // A file system's journal keeps the order; one without may keep any.
                let ordered = random.below(2) == 0;
                for change in changes {
                    if random.below(100) < kept {
                        names_after(&mut names, change);
                    } else if ordered {
                        break;
                    }
                }
                names
            }
        };
        for (name, id) in names {
            let path = at.join(name);
            match &self.nodes[id] {
                Node::File { durable, changes } => {
                    let bytes = content(durable, changes, fate, random);
                    left.insert(path, Some(bytes));
                }
                Node::Directory { .. } => {
                    left.insert(path.clone(), None);
                    self.collect(id, &path, fate, random, left);
                }
            }
        }
    }

    fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn find(&self, path: &Path) -> Option<Id> {
        path.iter()
            .try_fold(ROOT, |at, name| match &self.nodes[at] {
                Node::Directory { now, .. } => now.get(name).copied(),
                Node::File { .. } => None,
            })
    }

    fn name(&mut self, path: &Path, id: Option<Id>) {
        self.change(path, vec![(leaf(path), id)]);
    }

    /// Changes names in the directory that `path` lies in.
    fn change(&mut self, path: &Path, change: Change) {
        let parent = self.find(path.parent().unwrap()).unwrap();
        let Node::Directory { now, changes, .. } = &mut self.nodes[parent] else {
            panic!("{} lies in no directory", path.display())
        };
        names_after(now, &change);
        changes.push(change);
    }

    fn edit(&mut self, number: u64, edit: Edit) {
        match &mut self.nodes[self.numbers[&number]] {
            Node::File { changes, .. } => changes.push(edit),
            Node::Directory { .. } => panic!("a directory was written to"),
        }
    }

    fn sync(&mut self, number: u64, name: &Path) {
        // A directory that an earlier process made has no number yet.
        let id = self.numbers.get(&number).copied();
        let id = id.or_else(|| self.find(name)).unwrap();
        match &mut self.nodes[id] {
            Node::File { durable, changes } => {
                for edit in std::mem::take(changes) {
                    edit.apply(durable);
                }
            }
            Node::Directory {
                durable,
                now,
                changes,
            } => {
                *durable = now.clone();
                changes.clear();
            }
        }
    }
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Edit::Write {
                place,
                bytes: written,
            } => {
                let end = place + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*place..end].copy_from_slice(written);
            }
            Edit::Resize(length) => bytes.resize(*length, 0),
        }
    }

    /// Where it ends.
    fn end(&self) -> usize {
        match self {
            Edit::Write { place, bytes } => place + bytes.len(),
            Edit::Resize(length) => *length,
        }
    }

    /// The sectors that it touches.
    fn sectors(&self, sector: usize, end: usize) -> std::ops::Range<usize> {
        match self {
            Edit::Write { place, bytes } => place / sector..(place + bytes.len()).div_ceil(sector),
            Edit::Resize(length) => length / sector..end.div_ceil(sector),
        }
    }
}

/// What is left of a file.
fn content(durable: &[u8], changes: &[Edit], fate: Fate, random: &mut Random) -> Vec<u8> {
    let mut now = durable.to_vec();
    let Fate::Some { sector, kept } = fate else {
        if let Fate::Everything = fate {
            changes.iter().for_each(|edit| edit.apply(&mut now));
        }
        return now;
    };
    // How long the file may be: what is written gets there little by little, a new length at once.
    let mut lengths = vec![(durable.len(), durable.len())];
    let mut end = durable.len();
    // A sector that once lost a write loses those after it too, or it would hold what never was.
    let mut lost = BTreeSet::new();
    for edit in changes {
        let size = now.len().max(edit.end());
        let sectors = edit.sectors(sector, size);
        let touched = sectors.start * sector..(sectors.end * sector).min(size);
        let there = touched.start.min(now.len())..touched.end.min(now.len());
        let mut before = now[there].to_vec();
        before.resize(touched.len(), 0);
        edit.apply(&mut now);
        let longer = end.max(edit.end());
        let (low, high) = match edit {
            Edit::Write { .. } => (end, longer),
            Edit::Resize(length) => (*length, *length),
        };
        lengths.push((low, high));
        end = high;
        now.resize(size, 0);
        for number in sectors {
            if lost.contains(&number) || random.below(100) >= kept {
                lost.insert(number);
                let range = number * sector..((number + 1) * sector).min(size);
                let was = range.start - touched.start..range.end - touched.start;
                now[range].copy_from_slice(&before[was]);
            }
        }
    }
    // The file system may have written down any of them.
    let (low, high) = lengths[usize::try_from(random.below(lengths.len() as u64)).unwrap()];
    let length = match random.below(3) {
        0 => durable.len(),
        1 => end,
        _ => low + usize::try_from(random.below((high - low + 1) as u64)).unwrap(),
    };
    now.resize(length, 0);
    now
}

fn names_after(names: &mut BTreeMap<OsString, Id>, change: &Change) {
    for (name, id) in change {
        match id {
            Some(id) => names.insert(name.clone(), *id),
            None => names.remove(name),
        };
    }
}

fn directory() -> Node {
    Node::Directory {
        durable: BTreeMap::new(),
        now: BTreeMap::new(),
        changes: Vec::new(),
    }
}

fn leaf(path: &Path) -> OsString {
    path.file_name().unwrap().to_owned()
}

/// Puts files down in a directory that is empty.
pub(crate) fn put_down(left: &Left, root: &Path) {
    for (name, content) in left {
        let path = root.join(name);
        match content {
            Some(bytes) => std::fs::write(path, bytes).unwrap(),
            None => std::fs::create_dir(path).unwrap(),
        }
    }
}

/// What really lies in a directory.
pub(crate) fn pick_up(root: &Path) -> Left {
    let mut left = Left::new();
    let mut open = vec![PathBuf::new()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(root.join(&at)).unwrap() {
            let entry = entry.unwrap();
            let name = at.join(entry.file_name());
            if entry.path().is_dir() {
                left.insert(name.clone(), None);
                open.push(name);
            } else {
                left.insert(name, Some(std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    left
}
