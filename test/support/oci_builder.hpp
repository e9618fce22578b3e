#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace banger::test {

enum class Packing { plain, gzip, zstd };

/// The bytes, packed as a layer's blob would be.
std::string pack(const std::string& bytes, Packing packing);

struct LayerSpec {
    std::string tar;
    Packing packing = Packing::gzip;
    std::string diff_id;               ///< "sha256:…"; empty: the right one
    std::string blob;                  ///< what is stored; empty: the tar, packed
    std::string media_type;            ///< empty: the one that the packing has
    std::string algorithm = "sha256";  ///< of the blob's digest, and of the diff_id
};

struct ImageSpec {
    std::vector<LayerSpec> layers;
    std::string architecture = "amd64";
    std::string config = R"({"Cmd":["/bin/sh"],"Env":["PATH=/bin"],"User":"1:2"})";
    std::string more_config;  ///< further members of the configuration file: R"("history":[])"
};

/// Writes an OCI image layout by hand, sound or not: what a test wants is what stands there.
///
///     OciBuilder layout(dir);
///     layout.tag("v1", {layout.image({{.layers = {{tar}}}})});
class OciBuilder {
  public:
    explicit OciBuilder(std::string path);

    /// A blob and its descriptor, as JSON.
    std::string blob(const std::string& media_type, const std::string& bytes,
                     const std::string& algorithm = "sha256");
    /// A manifest with its blobs; returns its descriptor with a platform.
    std::string image(const ImageSpec& spec);
    /// An index of the given descriptors; returns its descriptor.
    std::string index(const std::vector<std::string>& descriptors);
    /// Names a descriptor in index.json.
    void tag(const std::string& name, const std::string& descriptor);

    const std::string& path() const { return path_; }
    std::string source(const std::string& name) const { return "oci:" + path_ + ":" + name; }
    std::string blob_path(const std::string& digest) const;

  private:
    std::string path_;
    std::string entries_;
};

/// The digest in a descriptor made by OciBuilder.
std::string digest_of(const std::string& descriptor);

void write_file(const std::string& path, const std::string& bytes);

}  // namespace banger::test
