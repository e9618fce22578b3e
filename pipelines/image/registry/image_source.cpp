#include "pipelines/image/registry/image_source.hpp"

#include <unistd.h>

#include <cerrno>

#include "pipelines/image/registry/oci_layout.hpp"
#include "pipelines/image/registry/registry_client.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

std::size_t read_file_some(int fd, std::span<std::byte> buffer) {
    for (;;) {
        const auto count = ::read(fd, buffer.data(), buffer.size());
        if (count >= 0) return static_cast<std::size_t>(count);
        if (errno != EINTR) fail_errno(errno, "cannot read a blob");
    }
}

}  // namespace

std::unique_ptr<ImageSource> open_source(boost::asio::any_io_executor executor,
                                         const SourceReference& reference,
                                         std::vector<std::string> plain_http_hosts) {
    if (const auto* layout = std::get_if<LayoutReference>(&reference)) return open_layout(*layout);
    return std::make_unique<RegistryClient>(
        executor, std::get<Reference>(reference),
        RegistryOptions{.plain_http_hosts = std::move(plain_http_hosts)});
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

Task<std::string> read_small_blob(ImageSource& source, Descriptor descriptor, std::string what) {
    if (descriptor.size > kMaxDocumentBytes) {
        fail(Errc::invalid_argument, "{} is larger than {} bytes", what, kMaxDocumentBytes);
    }
    auto blob = co_await source.open_blob(descriptor);
    std::string body(static_cast<std::size_t>(descriptor.size) + 1, '\0');
    std::size_t size = 0;
    while (size < body.size()) {
        const auto rest = std::as_writable_bytes(std::span(body)).subspan(size);
        const auto count = blob.file ? read_file_some(blob.file.get(), rest)
                                     : co_await blob.stream->read_some(rest);
        if (count == 0) break;
        size += count;
    }
    body.resize(size);
    check_document(body, descriptor, what);
    co_return body;
}

}  // namespace banger::image
