#include "pipelines/image/registry/image_source.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "pipelines/image/registry/oci_layout.hpp"
#include "pipelines/image/registry/registry_client.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
std::size_t Blob::read_at(std::uint64_t at, std::span<std::byte> buffer) const {
    if (at >= size) return 0;
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - at));
    std::size_t got = 0;
    while (got < want) {
        const auto count = ::pread(file.get(), buffer.data() + got, want - got,
                                   static_cast<off_t>(offset + at + got));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail_errno(errno, "cannot read a blob");
        if (count == 0) break;
        got += static_cast<std::size_t>(count);
    }
    return got;
}

std::unique_ptr<ImageSource> open_source(boost::asio::any_io_executor executor,
                                         const SourceReference& reference,
                                         RegistrySettings registries, Credential credential) {
    if (const auto* layout = std::get_if<LayoutReference>(&reference)) return open_layout(*layout);
    return std::make_unique<RegistryClient>(executor, std::get<Reference>(reference),
                                            std::move(registries), std::move(credential));
}

void check_document(std::string_view body, const Descriptor& descriptor, std::string_view what) {
    if (body.size() != descriptor.size) {
        fail(Errc::digest_mismatch, "{} has {} bytes, its descriptor says {}", what, body.size(),
             descriptor.size);
    }
    Hasher hasher(descriptor.digest.algorithm);
    hasher.update(body);
    const auto digest = hasher.finish();
    if (digest != descriptor.digest) {
        fail(Errc::digest_mismatch, "{} should have the digest {} but has {}", what,
             descriptor.digest.to_string(), digest.to_string());
    }
}

std::string read_document(const Blob& blob, std::string_view what) {
    if (blob.size > kMaxDocumentBytes) {
        fail(Errc::invalid_argument, "{} is larger than {} bytes", what, kMaxDocumentBytes);
    }
    std::string text(static_cast<std::size_t>(blob.size), '\0');
    text.resize(blob.read_at(0, std::as_writable_bytes(std::span(text))));
    return text;
}

namespace {

Task<std::string> read_blob(ImageSource& source, const Descriptor& descriptor,
                            std::string_view what) {
    const auto blob = co_await source.open_blob(descriptor);
    if (blob.file) co_return read_document(blob, what);
    std::string body(static_cast<std::size_t>(descriptor.size) + 1, '\0');
    std::size_t size = 0;
    while (size < body.size()) {
        const auto rest = std::as_writable_bytes(std::span(body)).subspan(size);
        const auto count = co_await blob.stream->read_some(rest);
        if (count == 0) break;
        size += count;
    }
    body.resize(size);
    co_return body;
}

}  // namespace

Task<std::string> read_small_blob(ImageSource& source, Descriptor descriptor, std::string what) {
    if (descriptor.size > kMaxDocumentBytes) {
        fail(Errc::invalid_argument, "{} is larger than {} bytes", what, kMaxDocumentBytes);
    }
    for (;;) {
        std::exception_ptr damaged;
        try {
            auto body = co_await read_blob(source, descriptor, what);
            check_document(body, descriptor, what);
            co_return body;
        } catch (const Error& error) {
            if (error.code() != Errc::digest_mismatch) throw;
            damaged = std::current_exception();
        }
        if (!source.distrust(descriptor)) std::rethrow_exception(damaged);
    }
}

}  // namespace banger::image
