#pragma once
// What a disk would still hold after a power cut: kept while the process runs, by the library that stands between it and the
// system. The directory KEPT gets
//
//   files/INODE    the content of a file as of its last fsync or fdatasync
//   names/INODE    the entries of a directory as of its last fsync: "INODE NAME" lines
//
// A number stays that of its file: what was synced is held open, so that no later file can get it.
// Only calls of the kernel itself are made, so that nothing comes by the interposed ones.
namespace nagare::faults {

// fsync(descriptor), and a copy of what is safe now. 0, or -1 with errno.
int sync_and_keep(const char* kept, int descriptor, long sync_call);

}  // namespace nagare::faults
