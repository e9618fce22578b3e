#pragma once

#include "pipelines/image/registry/registry_client.hpp"

namespace banger {
class Error;
}

namespace banger::image {

/// True for what a later try may not meet again: a cut or stalled connection, a server in trouble.
bool is_transient(const Error& error);

/// A blob of a registry. When its connection is cut it asks for the rest by Range and goes on; a
/// server that has no ranges, or answers with another one than asked for, sends all of it again and
/// the part already delivered is skipped.
class RegistryBlob : public BlobStream {
  public:
    RegistryBlob(RegistryClient& client, Descriptor descriptor);
    Task<std::size_t> read_some(std::span<std::byte> buffer) override;

  private:
    Task<void> open();
    /// Whether the response carries on at offset_; false when ranges are not to be had.
    bool fits(const HttpResponse& response) const;
    Task<std::size_t> read_or_cut(std::span<std::byte> buffer, std::exception_ptr& cut);
    Task<void> skip_prefix();
    Task<void> check_end();
    void count(std::size_t bytes);

    RegistryClient& client_;
    Descriptor descriptor_;
    Retries retries_;
    std::unique_ptr<HttpResponse> response_;
    std::uint64_t offset_ = 0;       ///< bytes delivered
    std::uint64_t since_reset_ = 0;  ///< of them, since the tries were last counted afresh
    bool ranges_ = true;
};

}  // namespace banger::image
