#pragma once

#include "pipelines/image/registry/registry_client.hpp"

namespace banger::image {

/// A blob of a registry. When its connection is cut it asks for the rest by Range and goes on; a
/// server that has no ranges, or answers with another one than asked for, sends all of it again and
/// the part already delivered is skipped. The mirrors are asked first, then the registry, then, for
/// a layer that is not the registry's to give away, the addresses its descriptor names.
class RegistryBlob : public BlobStream {
  public:
    RegistryBlob(RegistryClient& client, Descriptor descriptor);
    void skip(std::uint64_t bytes) override { offset_ = bytes; }
    Task<std::size_t> read_some(std::span<std::byte> buffer) override;

  private:
    /// Somewhere that may have the blob.
    struct Place {
        RegistryHost* host;
        std::string foreign_url;  ///< empty: in the host's repository
        bool is_mirror = false;
    };
    void add_places();
    const Place& place() const { return places_[place_]; }
    /// Goes on to the next place; false when `error` is the last word.
    bool move_on(const Error& error);

    Task<void> open();
    Task<void> request();
    Task<std::size_t> read_or_cut(std::span<std::byte> buffer, std::exception_ptr& cut);
    Task<void> wait_or_move_on(std::exception_ptr cut);
    Task<void> check_end();
    void count(std::size_t bytes);

    RegistryClient& client_;
    Descriptor descriptor_;
    std::vector<Place> places_;
    std::size_t place_ = 0;
    Retries retries_;
    std::unique_ptr<HttpResponse> response_;
    std::uint64_t offset_ = 0;       ///< bytes delivered or skipped
    std::uint64_t since_reset_ = 0;  ///< of them, since the tries were last counted afresh
    bool ranges_ = true;
};

}  // namespace banger::image
