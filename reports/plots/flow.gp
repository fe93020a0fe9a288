#data seeds from flow where level=network where name=private split arm,seed by last pick last,mean(100*revival_rate),mean(100*death_rate),arm#
#data mean from flow where level=network where name=private split arm by last pick last,mean(100*revival_rate),mean(100*death_rate)
id = "flow"; plot_width = 760; plot_height = 400
set datafile separator tab
stats "data/arms.tsv" using 1 nooutput
# Up to three arms share two panels; of more, each has a pair of panels of its own beside the reference.
panels = STATS_records > 3 ? int(STATS_records) - 1 : 1
pairs_in_row = panels > 1 ? 2 : 1
rows = (panels + pairs_in_row - 1)/pairs_in_row
if (panels > 1) { plot_height = 90 + 210*rows }
load "style.gp"
load "legend.gp"
stats data("seeds") using 1 nooutput
lines_of_seeds = STATS_blocks
seen = 0; least = 0; most = 1
stats data("seeds") using (note($1)) nooutput
set xrange [0:high(0, most)]
set xtics tick(high(0, most)*(panels > 1 ? 2 : 1))
array MOST[2]
do for [v=1:2] {
    seen = 0; least = 0; most = 1
    stats data("seeds") using (note(thin(column(1 + v)))) nooutput
    stats data("mean") using (note(column(1 + v))) nooutput
    MOST[v] = 1.05*most
}
array TITLE[2] = ["revived, % of the dead", "newly dead, % of the others"]
short(name) = strlen(name) > 18 ? name[1:17]."~" : name
set multiplot
do for [p=1:panels] {
    do for [v=1:2] {
        place = pairs_in_row == 1 ? v - 1 : 2*((p - 1)%2) + v - 1; row = (p - 1)/pairs_in_row
        width = pairs_in_row == 1 ? 0.40 : 0.185; left = pairs_in_row == 1 ? 0.09 + 0.49*place : 0.055 + 0.245*place
        height = pairs_in_row == 1 ? 250.0 : 140.0
        set lmargin at screen left
        set rmargin at screen left + width
        set tmargin at screen top - 210.0*row/plot_height
        set bmargin at screen top - (210.0*row + height)/plot_height
        set title (panels == 1 ? TITLE[v] : (v == 1 ? short(ARM[p + 1]) . ": revived, %" : "newly dead, %")) noenhanced \
            offset 0,-0.5 font (panels == 1 ? ",14" : ",12")
        set xlabel (panels == 1 ? "training step (end of the window)" : row == rows - 1 ? "training step" : "")
        set yrange [0:high(0, MOST[v])]
        if (panels == 1) {
            plot data("seeds") using 1:(thin(column(1 + v))):4 with lines lc variable lw 0.6 notitle, \
                 for [a=1:arms] data("mean") index a-1 using 1:1+v with lines lt a lw 2.5 notitle
        } else {
            plot data("seeds") using 1:($4 == p + 1 ? thin(column(1 + v)) : NaN) with lines lt p+1 lw 0.6 notitle, \
                 for [a=1:p+1:p] data("mean") index a-1 using 1:1+v with lines lt a lw (a == 1 ? 1.5 : 2.5) notitle
        }
        unset label
        unset arrow
    }
}
unset multiplot
