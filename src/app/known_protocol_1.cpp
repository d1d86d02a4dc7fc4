#include "vectorizer/model/protocol.hpp"

namespace vectorizer {

std::uint32_t known_protocol() {
  return kFirstProtocol;
}

}  // namespace vectorizer
