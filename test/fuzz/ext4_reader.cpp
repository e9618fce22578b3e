#include "test/support/ext4_reader.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>

#include "pipelines/io/unique_fd.hpp"
#include "test/fuzz/fuzz.hpp"

using namespace banger;

/// The input as a file system: the reader that tests trust gives up with a reason, or ends.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const UniqueFd file(::memfd_create("image", MFD_CLOEXEC));
    fuzz::promise(static_cast<bool>(file));
    fuzz::promise(::pwrite(file.get(), data, size, 0) == static_cast<ssize_t>(size));
    try {
        test::read_ext4("/proc/self/fd/" + std::to_string(file.get()), 16 << 20);
        fuzz::accept();
    } catch (const std::runtime_error&) {
    }
    return 0;
}
