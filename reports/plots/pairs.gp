#data dead_mean from pairs where measure=dead_mean split arm pick seed,difference
#data dead_end from pairs where measure=dead_end split arm pick seed,difference
#data revival_rate from pairs where measure=revival_rate split arm pick seed,difference
#data death_rate from pairs where measure=death_rate split arm pick seed,difference
#data loss_end from pairs where measure=loss_end split arm pick seed,difference
#data test_{measure} from pairs where measure=test_{measure} split arm pick seed,difference
id = "pairs"; plot_width = 760; plot_height = 560
load "style.gp"
legend_first = 2
load "legend.gp"
set xrange [1.4:arms+0.6]
unset xtics
set xzeroaxis lt 1 lc rgb ink lw 1.5
set border 2
keys = "dead_mean dead_end revival_rate death_rate loss_end test_{measure}"
array TITLE[6] = ["dead, time average (pp)", "dead at the end (pp)", "revived per window (pp)", "newly dead per window (pp)", "training loss, end", "test {measure title}{ (pp)}"]
array SCALE[6] = [100, 100, 100, 100, 1, {factor}]
array SHOWN[6]
shown = 0
do for [p=1:6] {
    found = 0
    stats data(word(keys, p)) using (found = found + ($2 == $2), 0) nooutput
    if (found > 0) { shown = shown + 1; SHOWN[shown] = p }
}
panel_columns = shown < 3 ? shown : 3
panel_rows = (shown + 2)/3
set multiplot layout panel_rows,panel_columns margins 0.08,0.98,0.04,top spacing 0.08,0.09
do for [s=1:shown] {
    p = SHOWN[s]
    file = data(word(keys, p))
    seen = 0; least = 0; most = 0
    stats file using (note(abs($2))) nooutput
    extent = most == 0 ? 1.0/SCALE[p] : most
    set title TITLE[p] offset 0,-0.5
    set yrange [-1.1*extent*SCALE[p]:1.1*extent*SCALE[p]]
    plot for [a=2:arms] file index a-1 using (a + 0.06*(int($0)%7 - 3)):(SCALE[p]*$2) with points lt a ps 0.7 notitle
    unset label
    unset arrow
}
unset multiplot
