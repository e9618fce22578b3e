#pragma once

// Images, registries and the cache of layers; see daemon/api/types.hpp.

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace banger::api {

struct ImageInfo {
    std::string name;
    std::string id;             ///< directory below images/; follows from digest and size
    std::string reference;      ///< canonical source
    std::string digest;         ///< of the manifest
    std::string source_digest;  ///< of what the reference stood for: that manifest, or an index
    std::string arch;
    std::string rootfs_path;
    std::uint64_t size = 0;            ///< of the file system
    std::uint64_t used_bytes = 0;      ///< of it in use
    std::uint64_t download_bytes = 0;  ///< compressed
    std::uint32_t layers = 0;
    std::vector<std::string> env;
    std::vector<std::string> entrypoint;
    std::vector<std::string> cmd;
    std::string working_dir;
    std::string user;
    std::string kernel_ref;  ///< the kernel it boots; empty: the default one
    std::string description;
    bool managed = true;  ///< false: rootfs_path is somebody else's file
    std::string created_at;
    std::vector<std::string> warnings;
};
BOOST_DESCRIBE_STRUCT(ImageInfo, (),
                      (name, id, reference, digest, source_digest, arch, rootfs_path, size,
                       used_bytes, download_bytes, layers, env, entrypoint, cmd, working_dir, user,
                       kernel_ref, description, managed, created_at, warnings))

/// What opens a private registry. One of the three: user name and password; an identity token,
/// which is exchanged at the registry's token service; a registry token, which is sent as it is.
/// Goes from client to daemon only, and is kept there in memory for the one pull.
struct RegistryAuth {
    std::optional<std::string> username;
    std::optional<std::string> password;
    std::optional<std::string> identity_token;
    std::optional<std::string> registry_token;
};
BOOST_DESCRIBE_STRUCT(RegistryAuth, (), (username, password, identity_token, registry_token))

/// POST /v1/registries/check -> RegistryCheck, or 403 when the registry refuses.
struct RegistryCheckRequest {
    std::string registry;  ///< host or host:port; docker.io for Docker Hub
    std::optional<RegistryAuth> registry_auth;
};
BOOST_DESCRIBE_STRUCT(RegistryCheckRequest, (), (registry, registry_auth))

struct RegistryCheck {
    std::string registry;
};
BOOST_DESCRIBE_STRUCT(RegistryCheck, (), (registry))

/// POST /v1/images -> operation image.pull, result ImageInfo.
struct ImagePullRequest {
    /// A catalog's name, or else a registry reference, or, with an absolute path, oci:PATH[:TAG],
    /// oci-archive:PATH[:TAG], docker-archive:PATH[:IMAGE].
    std::string reference;
    std::optional<std::string> name;  ///< default: friendly name of the reference
    std::optional<std::uint64_t> size;
    std::optional<RegistryAuth> registry_auth;  ///< for the reference's registry
    std::optional<std::string> kernel_ref;      ///< default: what the catalog says
};
BOOST_DESCRIBE_STRUCT(ImagePullRequest, (), (reference, name, size, registry_auth, kernel_ref))

/// A compressed layer that a pull has left for the next one.
struct CachedBlob {
    std::string digest;
    std::uint64_t size = 0;
    std::string used_at;              ///< by a pull, the last time
    std::vector<std::string> images;  ///< names of those that are made of it
};
BOOST_DESCRIBE_STRUCT(CachedBlob, (), (digest, size, used_at, images))

/// GET /v1/image-cache.
struct ImageCacheInfo {
    std::uint64_t bytes = 0;
    std::uint64_t limit = 0;        ///< of bytes, kept by removing what was not used for longest
    std::vector<CachedBlob> blobs;  ///< the least recently used first
};
BOOST_DESCRIBE_STRUCT(ImageCacheInfo, (), (bytes, limit, blobs))

/// POST /v1/image-cache/prune.
struct ImageCachePruneRequest {
    bool all = false;      ///< also what images are made of
    bool dry_run = false;  ///< only tell what would go
};
BOOST_DESCRIBE_STRUCT(ImageCachePruneRequest, (), (all, dry_run))

struct ImageCachePruned {
    std::uint64_t bytes = 0;
    std::vector<CachedBlob> blobs;
};
BOOST_DESCRIBE_STRUCT(ImageCachePruned, (), (bytes, blobs))

}  // namespace banger::api
