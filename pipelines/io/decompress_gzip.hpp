#pragma once

#include <isa-l/igzip_lib.h>

#include <vector>

#include "pipelines/io/decompress.hpp"

namespace banger {

/// RFC 1952 by ISA-L. Headers are read by a step of their own: isal_inflate forgets which optional
/// fields follow when a header is cut by the end of a push.
class GzipDecompressor final : public Decompressor {
  public:
    GzipDecompressor();
    void push(std::span<const std::byte> compressed, const Sink& sink) override;
    void finish(const Sink& sink) override;

  private:
    enum class Step { between_members, header, body };

    void begin_member();
    void read_header();
    void inflate(const Sink& sink);

    Step step_ = Step::between_members;
    bool any_member_ = false;
    isal_gzip_header header_{};
    inflate_state state_{};
    std::vector<std::uint8_t> output_;
};

}  // namespace banger
