#pragma once

#include <memory>
#include <set>

#include "pipelines/image/registry/image_source.hpp"
#include "pipelines/image/registry/registry_host.hpp"

namespace banger::image {

/// One repository of a registry, over the distribution protocol's pull half, and its mirrors. What
/// has a digest comes from the first mirror that has it, whatever keeps the others from it, and
/// from the registry else; what a tag stands for is the registry's word alone, unless it does not
/// answer. A blob goes on at the byte where it was cut. Cancelling ends any of its awaits at once.
class RegistryClient : public ImageSource {
  public:
    /// Throws Error{invalid_argument} for a mirror that is no URL.
    RegistryClient(boost::asio::any_io_executor executor, Reference reference,
                   RegistrySettings settings, Credential credential);

    Task<Document> root() override;
    Task<std::optional<Digest>> root_digest() override;
    Task<Document> document(Descriptor descriptor) override;
    Task<Blob> open_blob(Descriptor descriptor) override;
    bool is_remote() const override { return true; }
    bool distrust(const Descriptor& descriptor) override;
    std::vector<std::string> warnings() const override;

    /// Whether the registry lets this credential in. Throws Error{unauthorized} when not.
    static Task<void> check_login(boost::asio::any_io_executor executor, std::string domain,
                                  RegistrySettings settings, Credential credential);

  private:
    friend class RegistryBlob;
    using Response = RegistryHost::Response;
    struct Fetched {
        std::string body;
        std::string content_type;
    };

    /// All of a manifest; nullopt when there is none, and what fail_status throws for other
    /// refusals.
    Task<std::optional<Fetched>> fetch(RegistryHost& host, std::string path, std::string what);
    /// A manifest of that digest from a mirror; nullopt when none has it.
    Task<std::optional<Fetched>> fetch_from_mirrors(Digest digest);
    /// What the tag stands for, without its manifest; nullopt when the registry does not say.
    Task<std::optional<Digest>> look_up_tag();
    Task<std::optional<Document>> root_by_digest_of_tag();
    /// The tag as a mirror knows it, when the registry itself does not answer; else rethrows `why`.
    Task<Fetched> root_without_origin(std::exception_ptr why);
    Task<std::string> suggest_tag();

    Reference reference_;
    RegistrySettings settings_;
    RegistryHost origin_;
    std::vector<std::unique_ptr<RegistryHost>> mirrors_;
    std::set<std::string> second_hand_;  ///< digests of which a mirror gave some bytes
    std::set<std::string> distrusted_;   ///< digests that only the registry itself may give
    std::optional<Digest> looked_up_;    ///< what the tag stood for, once it was asked about
    std::vector<std::string> notes_;
};

}  // namespace banger::image
