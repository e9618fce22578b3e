#pragma once

#include <ext2fs/ext2fs.h>
// A macro of libext2fs in the way of std::clamp.
#undef clamp
#include <fmt/format.h>

#include <string>
#include <utility>

namespace banger::image {

/// What an errcode_t of libext2fs means, in its words.
std::string ext2_message(errcode_t code);

/// Throws the Error that an errcode_t of libext2fs stands for; `what` is the part before the colon.
[[noreturn]] void fail_ext2(errcode_t code, const std::string& what);

/// Every call into libext2fs goes through here.
template <class... Args>
void check(errcode_t code, fmt::format_string<Args...> what, Args&&... args) {
    if (code != 0) fail_ext2(code, fmt::format(what, std::forward<Args>(args)...));
}

/// Owns an ext2_filsys. Destroying it forgets what was not closed.
class Ext2Handle {
  public:
    explicit Ext2Handle(ext2_filsys fs) : fs_(fs) {}
    Ext2Handle(const Ext2Handle&) = delete;
    Ext2Handle& operator=(const Ext2Handle&) = delete;
    ~Ext2Handle() {
        if (fs_ != nullptr) ext2fs_free(fs_);
    }

    ext2_filsys get() const { return fs_; }
    /// Writes bitmaps, group descriptors and superblocks. Does not sync.
    void close();

  private:
    ext2_filsys fs_;
};

}  // namespace banger::image
