#include "probe/plant.h"
