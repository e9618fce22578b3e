#include "pipelines/io/decompress_gzip.hpp"

#include "pipelines/io/error.hpp"

namespace banger {
namespace {

constexpr std::size_t kOutputSize = 256 * 1024;

void check(int result) {
    switch (result) {
        case ISAL_DECOMP_OK:
        case ISAL_END_INPUT:
            return;
        case ISAL_INCORRECT_CHECKSUM:
            fail(Errc::invalid_argument, "gzip stream is damaged: its checksum does not match");
        case ISAL_INVALID_WRAPPER:
        case ISAL_UNSUPPORTED_METHOD:
            fail(Errc::invalid_argument, "not a gzip member: its header is not valid");
        default:
            fail(Errc::invalid_argument, "gzip stream is damaged (ISA-L error {})", result);
    }
}

}  // namespace

GzipDecompressor::GzipDecompressor() : output_(kOutputSize) {
    isal_inflate_init(&state_);
}

void GzipDecompressor::push(std::span<const std::byte> compressed, const Sink& sink) {
    // ISA-L's interface lacks a const; it does not write to its input.
    auto* input = const_cast<std::byte*>(compressed.data());
    state_.next_in = reinterpret_cast<std::uint8_t*>(input);
    state_.avail_in = static_cast<std::uint32_t>(compressed.size());
    while (state_.avail_in > 0) {
        if (step_ == Step::between_members) begin_member();
        if (step_ == Step::header) read_header();
        if (step_ == Step::body) inflate(sink);
    }
}

void GzipDecompressor::finish(const Sink&) {
    if (!any_member_) fail(Errc::invalid_argument, "gzip stream is empty");
    if (step_ != Step::between_members) fail(Errc::invalid_argument, "gzip stream is cut short");
}

void GzipDecompressor::begin_member() {
    isal_inflate_reset(&state_);
    // The header is ours, the trailer (CRC-32 and length) ISA-L's to verify.
    state_.crc_flag = ISAL_GZIP_NO_HDR_VER;
    isal_gzip_header_init(&header_);
    any_member_ = true;
    step_ = Step::header;
}

void GzipDecompressor::read_header() {
    const int result = isal_read_gzip_header(&state_, &header_);
    check(result);
    if (result == ISAL_DECOMP_OK) step_ = Step::body;
}

void GzipDecompressor::inflate(const Sink& sink) {
    do {
        state_.next_out = output_.data();
        state_.avail_out = kOutputSize;
        check(isal_inflate(&state_));
        const std::size_t produced = kOutputSize - state_.avail_out;
        if (produced > 0) sink(std::as_bytes(std::span(output_).first(produced)));
        // A full buffer may hide more output that needs no further input.
    } while (state_.block_state != ISAL_BLOCK_FINISH &&
             (state_.avail_in > 0 || state_.avail_out == 0));
    if (state_.block_state == ISAL_BLOCK_FINISH) step_ = Step::between_members;
}

}  // namespace banger
