#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace banger::guest {

/// The whole of a small file (/proc, /etc); 0 or -errno.
int read_small_file(const char* path, std::string& content);

/// Writes a file whole, over what is there; follows symbolic links. 0 or -errno.
int write_small_file(const char* path, std::string_view content, mode_t mode = 0644);

/// Writes all of it to a blocking descriptor; 0 or -errno.
int write_all(int fd, std::string_view bytes);

/// Makes one directory; one that is there already is fine. 0 or -errno.
int make_directory(const char* path, mode_t mode = 0755);

bool is_directory(const char* path);

}  // namespace banger::guest
