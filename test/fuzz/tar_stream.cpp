#include "pipelines/image/tar_stream.hpp"

#include "pipelines/image/ext4/staging_tree.hpp"
#include "pipelines/io/error.hpp"
#include "test/fuzz/fuzz.hpp"

using namespace banger;

namespace {

/// Holds read_tar to what ContentSink promises; keeps no content.
class CheckingSink : public image::ContentSink {
  public:
    void begin_file() override {
        fuzz::promise(!open_);
        open_ = true;
    }
    void append(std::span<const std::byte> bytes) override {
        fuzz::promise(open_);
        // Reads what it is given: a span of freed memory would pass otherwise.
        for (const auto byte : bytes)
            sum_ += static_cast<unsigned>(byte);
    }
    void skip(std::uint64_t) override { fuzz::promise(open_); }
    std::vector<image::Extent> end_file() override {
        fuzz::promise(open_);
        open_ = false;
        return {};
    }

  private:
    bool open_ = false;
    volatile unsigned sum_ = 0;
};

}  // namespace

/// The first byte says how large the pieces are in which the tar arrives; what comes out goes
/// through the merge as well, as in a pull.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t piece = 1 + data[0] * 64u;
    auto rest = std::as_bytes(std::span(data + 1, size - 1));
    CheckingSink sink;
    image::ImageBudget budget;
    const auto next = [&] {
        const auto part = rest.first(std::min(piece, rest.size()));
        rest = rest.subspan(part.size());
        return part;
    };
    try {
        auto contents = image::read_tar(next, sink, budget);
        fuzz::promise(rest.empty());
        image::StagingTree tree;
        tree.apply(std::move(contents.entries));
        fuzz::accept();
    } catch (const Error&) {
    }
    return 0;
}
