#pragma once

#include <string>

namespace vectorizer::app {

std::string version();  ///< e.g. "0.1.0"
std::string commit();   ///< the commit the binary was built from, or "unknown"

}  // namespace vectorizer::app
