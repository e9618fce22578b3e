#pragma once

#include <cstdint>
#include <span>
#include <stop_token>

#include "pipelines/io/buffer_pool.hpp"
#include "pipelines/io/file_writer.hpp"

namespace banger::bundle {

/// Writes a file from its start to its end, in blocks of 4096 bytes that suit O_DIRECT. Blocks of
/// zeros are left out, so that they are holes whether they were holes before or not. Used by one
/// worker thread.
class RawWriter {
  public:
    static constexpr std::size_t kBlock = 4096;

    RawWriter(BufferPool& buffers, FileWriter& file, std::stop_token stop)
        : buffers_(buffers), file_(file), stop_(std::move(stop)) {}

    void append(std::span<const std::byte> bytes);
    void skip(std::uint64_t bytes);
    /// Hands over what is left, its last block filled up with zeros. Gives the file's size, which
    /// the caller has yet to give the file.
    std::uint64_t finish();

  private:
    void append_part(std::span<const std::byte> bytes);
    void end_block();
    void reserve();
    void flush();

    BufferPool& buffers_;
    FileWriter& file_;
    std::stop_token stop_;
    Lease lease_;
    std::uint64_t position_ = 0;  ///< of the file: the next byte
    std::size_t filled_ = 0;      ///< bytes in lease_, the ones just before position_
};

}  // namespace banger::bundle
