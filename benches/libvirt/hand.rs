//! The same work as commands that a person types into a script: no plan, no journal, no second look.

use crate::lab::Lab;
use crate::lab::run::run;
use crate::lab::site::Site;
use crate::machine::Blank;

/// A machine without a guest, with a disk of 1 GiB of which 256 MiB are random.
pub fn bed(site: &Site, name: &'static str, number: u8) -> Blank {
    let vm = Blank { name, number: 50 + number };
    let path = |file: &str| site.image(file).display().to_string();
    let (raw, disk) = (path("random.raw"), vm.disk("vda"));
    let make = format!("dd if=/dev/urandom of='{raw}' bs=1M count=256 status=none && truncate -s 1G '{raw}'");
    run(&["sh", "-c", &make]).unwrap();
    run(&["qemu-img", "convert", "-f", "raw", "-O", "qcow2", &raw, &path(&disk)]).unwrap();
    run(&["rm", &raw]).unwrap();
    vm.start_with(site, &[("vda".to_owned(), site.sees(&disk), "qcow2")]);
    vm
}

/// Scripts for one machine.
pub struct Hand {
    head: String,
}

impl Hand {
    /// For the machine of that name; `round` keeps the names of different rounds apart.
    pub fn new(lab: &Lab, vm: &str, round: usize) -> Self {
        let (a, b) = (&lab.production, &lab.recovery);
        let head = format!(
            "set -e\nA='virsh -q -c {}'; B='virsh -q -c {}'; AT_B='{}'; VM={vm}; R={round}; FROM={}\n\
             DIR=/var/lib/libvirt/images/by-hand-$VM-$R\n",
            a.uri(),
            b.uri(),
            b.prefix().join(" "),
            a.design.address,
        );
        Self { head }
    }

    fn run(&self, script: &str) {
        run(&["sh", "-c", &format!("{}{BACKUP}{script}", self.head)]).unwrap();
    }

    /// A full copy.
    pub fn full(&self) {
        self.run(
            "$AT_B mkdir -p $DIR\nbackup '' one-$R\n\
             $AT_B qemu-img convert -W -f raw -O qcow2 nbd://$FROM:10900/x $DIR/one.part\n\
             $AT_B sync $DIR/one.part; $AT_B mv $DIR/one.part $DIR/one.qcow2; $A domjobabort $VM\n",
        );
    }

    /// What changed since.
    pub fn increment(&self) {
        self.run("backup one-$R two-$R\ndelta one two\n$A domjobabort $VM\n$A checkpoint-delete $VM one-$R\n$A checkpoint-delete $VM two-$R\n");
    }

    /// From the latest restore point that Lifeboat made.
    pub fn fail_over(&self) {
        self.run(START);
    }

    /// With a copy before and one after the guest was shut down.
    pub fn evacuate(&self) {
        let script = format!(
            "DIR=/var/lib/libvirt/images/lifeboat/$VM\nLAST=$($A checkpoint-list $VM --name --leaves)\n\
             TOP=$($AT_B sh -c \"ls $DIR | sed -n 's/^vda\\\\.\\\\(p.*\\\\)\\\\.qcow2/\\\\1/p' | tail -n1\")\n\
             backup \"$LAST\" live; delta vda.$TOP vda.live; $A domjobabort $VM\n\
             $A shutdown $VM; until [ \"$($A domstate $VM)\" = 'shut off' ]; do sleep 0.25; done\n\
             $A start --paused $VM; backup live final; delta vda.live vda.final; $A domjobabort $VM\n\
             $A checkpoint-delete $VM live; $A checkpoint-delete $VM final; $A destroy $VM --graceful\n\
             POINT=final\n{START}"
        );
        self.run(&script);
    }

    /// Takes a failover by hand back.
    pub fn undo(&self) {
        self.run(
            "$B destroy by-hand\n$B undefine by-hand --checkpoints-metadata\n\
             DIR=/var/lib/libvirt/images/lifeboat/$VM\n$AT_B rm -f $DIR/by-hand.qcow2 $DIR/vda.live.qcow2 $DIR/vda.final.qcow2\n",
        );
    }
}

/// `backup SINCE NEW`: serves the machine's disk with a new checkpoint. `delta BELOW NEW`: copies what changed into a new layer.
const BACKUP: &str = r#"
backup() {
  since=; [ -n "$1" ] && since="<incremental>$1</incremental>"
  scratch=/var/lib/libvirt/images/by-hand-scratch-$VM.qcow2
  printf "<domainbackup mode='pull'>$since<server transport='tcp' name='$FROM' port='10900'/><disks><disk name='vda' backup='yes' type='file' exportname='x'><scratch file='$scratch'/></disk></disks></domainbackup>" >/run/lab/backup.xml
  printf "<domaincheckpoint><name>$2</name><disks><disk name='vda' checkpoint='bitmap'/></disks></domaincheckpoint>" >/run/lab/checkpoint.xml
  $A backup-begin $VM /run/lab/backup.xml /run/lab/checkpoint.xml
}
delta() {
  $AT_B qemu-img create -q -f qcow2 -F raw -b nbd://$FROM:10900/x $DIR/$2.part
  $AT_B qemu-img map --output=json --image-opts driver=nbd,server.type=inet,server.host=$FROM,server.port=10900,export=x,x-dirty-bitmap=qemu:dirty-bitmap:backup-vda |
    tr '{' '\n' | sed -n '/"data": false/s/.*"start": \([0-9]*\), "length": \([0-9]*\).*/r \1 \2/p' | $AT_B qemu-io -C -f qcow2 $DIR/$2.part >/dev/null
  $AT_B qemu-img rebase -u -f qcow2 -F qcow2 -b $1.qcow2 $DIR/$2.part
  $AT_B sync $DIR/$2.part; $AT_B mv $DIR/$2.part $DIR/$2.qcow2
}
"#;

/// Starts a machine above a restore point of Lifeboat's.
const START: &str = r#"
DIR=/var/lib/libvirt/images/lifeboat/$VM
[ -n "$POINT" ] || POINT=$($AT_B sh -c "ls $DIR | sed -n 's/^vda\\.\\(p.*\\)\\.qcow2/\\1/p' | tail -n1")
$AT_B qemu-img create -q -f qcow2 -F qcow2 -b vda.$POINT.qcow2 $DIR/by-hand.qcow2
$A dumpxml --inactive $VM | sed -e "s|<name>$VM</name>|<name>by-hand</name>|" -e '/<uuid>/d' -e "s|network='prod'|network='dr'|" -e '/<backingStore/d' \
  -e "s|<source file='[^']*'/>|<source file='$DIR/by-hand.qcow2'/>|" >/run/lab/by-hand.xml
$B define /run/lab/by-hand.xml
$B start --paused by-hand
$B checkpoint-create-as by-hand delta
$B resume by-hand
"#;
