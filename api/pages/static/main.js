// Own scripts, each a module that looks for what it serves.

import "./figures.js";
import "./cursor.js";
import "./pins.js";
import "./columns.js";
import "./times.js";
import "./live.js";
import "./selection.js";
import "./brushes.js";
