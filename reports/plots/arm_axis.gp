# Arms along the horizontal axis, by name. Names that do not fit beside each other are slanted, and get the room they need below.
longest = 0
do for [a=1:arms] { longest = strlen(ARM[a]) > longest ? strlen(ARM[a]) : longest }
slanted = 8.5*longest*arms > 0.62*plot_width
if (slanted) { set xtics rotate by -30; set bmargin at screen (24.0 + 5.5*(longest > 30 ? 30 : longest))/plot_height }
